"""Runs with trackers, and what each tracker has of a run, read back from its files."""

import os
import struct
from pathlib import Path

import polars as pl
import smallruns

from fieldmark.rundir import RunDir
from fieldmark.track.trackers import quiet

BLOCK, HEADER = 32768, 7  # of a .wandb file, which is a log of LevelDB's format
FIRST, LAST = (1, 2), (1, 4)  # types of a record's parts: whole, first, middle, last


def alone(folder: Path) -> dict[str, str]:
    """The environment in which trackers reach nothing but `folder`."""
    return {
        "WANDB_MODE": "offline",
        "WANDB_CACHE_DIR": str(folder / "cache"),
        "WANDB_CONFIG_DIR": str(folder / "config"),
        "WANDB_DATA_DIR": str(folder / "data"),
    }


def begin_and_die(env: dict[str, str], *args) -> None:
    """smallruns.train_and_die, with an environment of its own."""
    os.environ.update(env)
    smallruns.train_and_die(*args)


def resume_and_die(env: dict[str, str], *args) -> None:
    """smallruns.resume_and_die, with an environment of its own."""
    os.environ.update(env)
    smallruns.resume_and_die(*args)


def wanted(run: RunDir) -> dict[tuple[str, int], float]:
    """What a tracker should have of the epochs, by history.csv: (name, step) -> value."""
    rows = pl.read_csv(run.history).to_dicts()
    return {
        (name.replace("_", "/", 1) if name[:4] in ("trai", "val_") else name, row["epoch"]): value
        for row in rows
        for name, value in row.items()
        if name != "epoch" and str(value) != "nan"
    }


def in_event_files(run: RunDir) -> list[tuple[str, int, float]]:
    """Every number in the event files, as often as it is there: (name, step, value)."""
    from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

    return [
        (value.tag, event.step, value.simple_value)
        for path in sorted(run.tensorboard.rglob("events*"))
        for event in LegacyEventFileLoader(str(path)).Load()
        for value in event.summary.value
        if value.HasField("simple_value")
    ]


def in_wandb(run: RunDir) -> list:
    """The records of a run's only offline folder."""
    from wandb.proto import wandb_internal_pb2 as proto

    (path,) = (run.path / "wandb").glob("offline-run-*/run-*.wandb")
    return [proto.Record.FromString(each) for each in records(path.read_bytes())]


def records(log: bytes) -> list[bytes]:
    """The records of a LevelDB log: parts with a header of checksum, length and type each."""
    found, place, parts = [], HEADER, []
    while place + HEADER <= len(log):
        if BLOCK - place % BLOCK < HEADER:  # the rest of a block is blank
            place += BLOCK - place % BLOCK
            continue
        length, kind = struct.unpack("<HB", log[place + 4 : place + HEADER])
        place += HEADER
        parts = ([] if kind in FIRST else parts) + [log[place : place + length]]
        place += length
        if kind in LAST:
            found.append(b"".join(parts))
    return found


def in_mlflow(run: RunDir, project: str):
    """-> MLflow's record of the run, and every number of it: (name, step, value)"""
    with quiet():
        from mlflow import MlflowClient

        client = MlflowClient(f"sqlite:///{run.path.parent / 'mlflow.db'}")
        (experiment,) = client.search_experiments(filter_string=f"name = '{project}'")
        (found,) = client.search_runs([experiment.experiment_id])
        points = [
            (name, point.step, point.value)
            for name in found.data.metrics
            for point in client.get_metric_history(found.info.run_id, name)
        ]
    return found, points
