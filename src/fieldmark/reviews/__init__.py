"""Runs and data looked at from outside: evaluated, compared, inspected."""
