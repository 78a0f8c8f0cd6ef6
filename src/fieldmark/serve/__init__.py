"""A bundle behind HTTP: pictures in, the answers of `predict` out, and nothing without a limit."""
