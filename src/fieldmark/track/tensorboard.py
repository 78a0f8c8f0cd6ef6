"""TensorBoard: event files in the run folder.

Event files can only grow, and a kill may come between a checkpoint and what is written of it
here. So every process writes the whole history into a new file and takes the former ones away.
"""

import shutil
from importlib import import_module
from pathlib import Path
from shlex import quote

import yaml

from fieldmark.track.tracked import End, Rows, Subject


class ToTensorBoard:
    """Figures, settings, the final figures as text and the confusion matrix as a picture."""

    def __init__(self, subject: Subject):
        folder = subject.run.tensorboard
        self.place = f"tensorboard --logdir {quote(str(folder))}"
        self._former: list[Path] = list(folder.iterdir()) if folder.is_dir() else []
        import_module("accelerate").PartialState()  # the trackers' logger asks for it
        kind = import_module("accelerate.tracking").TensorBoardTracker
        # purge_step: a TensorBoard that is looking on forgets what the former files said
        self._tracker = kind(folder.name, folder.parent, purge_step=0)
        self._tracker.start()
        # of the three parts the one with the values; TensorBoard finds the figures by itself, and
        # Accelerate's way would write all three into another run
        table = import_module("torch.utils.tensorboard.summary").hparams(subject.parameters, {})[1]
        self._tracker.tracker.file_writer.add_summary(table)
        text = yaml.safe_dump(subject.parameters, sort_keys=False, allow_unicode=True)
        self._tracker.log({"settings": indented(text)})

    def log(self, rows: Rows) -> None:
        """A point an epoch for every figure."""
        for epoch, values in rows:
            self._tracker.log(values, step=epoch)
        while self._former:
            path = self._former.pop()
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def finish(self, end: End) -> None:
        """The test's figures at the last epoch, as curves of one point and as text."""
        self._tracker.log({**end.values, "figures": indented(end.words)}, step=end.epochs)
        if end.confusion is not None:
            pictures = {"confusion": end.confusion[None]}
            self._tracker.log_images(pictures, step=end.epochs, dataformats="NHWC")

    def close(self, *, whole: bool) -> None:
        """Write the rest; event files do not say how a run ended."""
        self._tracker.finish()


def indented(text: str) -> str:
    """Text as Markdown that keeps its lines."""
    return "\n".join(f"    {line}" for line in text.splitlines())
