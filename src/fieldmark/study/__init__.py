"""Many runs as one: what is planned, who does it, and what comes of all together."""
