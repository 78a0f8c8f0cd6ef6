"""From arrays to numbers, free of torch."""
