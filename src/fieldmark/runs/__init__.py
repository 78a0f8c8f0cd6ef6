"""Whole runs, from settings to a run folder."""
