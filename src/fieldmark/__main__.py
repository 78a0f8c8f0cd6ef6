"""The command `fieldmark`, also as `python -m fieldmark`: signals first, then the rest."""

from fieldmark.stopping import take_over


def main() -> None:
    """Run the command line on what was typed, and end the process."""
    take_over()
    from fieldmark.cli.main import main as run_typed

    run_typed()


if __name__ == "__main__":
    main()
