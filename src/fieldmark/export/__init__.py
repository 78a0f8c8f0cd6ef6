"""A trained bundle as files for other programs, each proven to answer as it does."""
