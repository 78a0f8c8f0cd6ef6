"""`python -m fieldmark` is the command `fieldmark`."""

from fieldmark.cli.main import main

main()
