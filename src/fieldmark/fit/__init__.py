"""Training: losses, optimisers, schedules, checkpoint, and the one loop."""
