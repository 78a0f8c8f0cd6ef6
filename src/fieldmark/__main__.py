"""The command `fieldmark`, also as `python -m fieldmark`: signals first, then the rest."""

# what `signal` is made of, which takes milliseconds to import: long enough to hit
import _signal  # type: ignore[import-not-found]
import atexit
import gc
import os
import sys


def main() -> None:
    """Run the command line on what was typed, and end the process."""
    for number in (_signal.SIGINT, _signal.SIGTERM):
        _signal.signal(number, _end)
    from fieldmark.stopping import take_over

    take_over()
    # what is imported stays: looking at it again and again took a second of a run
    gc.set_threshold(700, 50, 50)
    atexit.register(_leave)
    from fieldmark.cli.main import main as run_typed

    run_typed()


def _leave() -> None:
    """Without a last look for what could be freed: the system takes it all, and sooner."""
    if "triton" not in sys.modules:  # which tells of each object of its own that is left
        gc.freeze()


def _end(*_: object) -> None:
    """The answer until `take_over` has the signals in hand, when there is nothing to undo."""
    os.write(2, b"fieldmark: stopped\n")
    os._exit(130)


if __name__ == "__main__":
    main()
