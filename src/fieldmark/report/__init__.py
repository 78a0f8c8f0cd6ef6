"""The page: draws, computes nothing."""
