"""What stands behind the names of the package: runs and findings as objects, data in memory."""
