"""The command line: a thin command each."""
