"""What the predictions table shows beyond numbers."""
