"""Sweeps in tests: files, made-up trials, and an executor in this process."""

from fieldmark.console import Console
from fieldmark.rundir import RunDir
from fieldmark.study.folder import LEFT
from fieldmark.study.planned import Planned
from fieldmark.study.space import Parameter
from fieldmark.study.trials import Trial
from fieldmark.study.wandb_file import read_parameter, read_sweep
from fieldmark.study.work import do

PUBLISHED = """\
program: train.py
method: bayes
name: complete-sweep
metric:
  name: val_accuracy
  goal: maximize
parameters:
  lr: {values: [0.001, 0.0001]}
  activation: {values: ["SiLU", "LeakyReLU", "ReLU", "GELU"]}
  batch_norm: {values: [True, False]}
  dropout: {values: [0.3, 0.5]}
  filter_org: {values: ["half", "double", "const"]}
  filter_size: {values: ["3", "5,5,3,3,3", "5"]}
  num_filters: {values: [16, 32, 64]}
"""


def sweep_file(folder, text, name="sweep.yaml"):
    path = folder / name
    path.write_text(text)
    return read_sweep(str(path))


def parameter(name="x", **given) -> Parameter:
    found = read_parameter(name, given)
    assert isinstance(found, Parameter), found
    return found


def trial(number, point, value=None, *, state="done", by_epoch=(), path="nowhere") -> Trial:
    """A made-up trial; nothing of it is on disk."""
    about = {"trial": number, "settings": point}
    planned = Planned(f"trial-{number}", about, "images", None)
    return Trial(planned, RunDir(path), state, value, tuple(by_epoch), 1.0)


def in_turn(study, _console, *, propose, **_):
    """What `run_all` does, in this process and one after the other."""
    more = True
    while more or any(study.state(each.name) in LEFT for each in study.plans()):
        more = propose()
        for each in study.plans():
            if study.state(each.name) in LEFT:
                do(study, each, Console(quiet=True))
