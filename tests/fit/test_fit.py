"""The loop as a whole: what it tells and writes of an epoch, and that a stopped one goes on."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch

from fieldmark.console import Console
from fieldmark.errors import NotFiniteError, StoppedError
from fieldmark.fit.averages import Ema, Lookahead
from fieldmark.fit.checkpoint import Checkpoints
from fieldmark.fit.epochs import epoch_line
from fieldmark.fit.keeper import Keeper, as_csv
from fieldmark.fit.loop import fit
from fieldmark.fit.losses import cross_entropy
from fieldmark.fit.penalty import Penalty
from fieldmark.fit.plan import ALONE, Parts, Plan, Ranks
from fieldmark.fit.schedules import one_cycle
from fieldmark.fit.state import Running, State
from fieldmark.judge.metrics import metrics_of, of_task
from fieldmark.models import precision

CPU = torch.device("cpu")
PLAN = Plan(3, seed=0, accumulate=2, clip_norm=1.0, monitor="accuracy", steps_every=1)
SIZES = [6, 6, 6, 6, 5]


class Batches:
    """Random images by (epoch, step), with the face of the loader's."""

    sizes = SIZES

    def __len__(self):
        return len(self.sizes)

    def epoch(self, epoch, start=0):
        for place, size in list(enumerate(self.sizes))[start:]:
            draw = torch.Generator().manual_seed(1000 * epoch + place)
            targets = torch.randint(0, 3, (size,), generator=draw)
            images = torch.randn(size, 3, 4, 4, generator=draw)
            yield images + targets[:, None, None, None], targets

    def spent(self):
        return {}


def validate(model):
    images, targets = next(iter(Batches().epoch(99)))
    with torch.no_grad():
        return model.eval()(images).numpy(), targets.numpy()


def parts(**changes):
    found = Parts(
        batches=Batches(),
        loss=cross_entropy(np.ones(3)),
        schedule=one_cycle(),
        autocast=precision.autocast("float32", CPU),
        device=CPU,
        measure=metrics_of,
        validate=validate,
    )
    return replace(found, **changes)


def begun(average=None, seed=0):
    torch.manual_seed(seed)
    layers = [torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten()]
    model = torch.nn.Sequential(*layers, torch.nn.Dropout(0.3), torch.nn.Linear(16, 3))
    model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return State(model, optimizer, ema=average and average(model))


def keeper_in(folder, stop_asked=lambda: False):
    folder.mkdir(exist_ok=True)
    return Keeper(
        Checkpoints(folder / "checkpoint"),
        history=folder / "history.csv",
        steps=folder / "steps.csv",
        every_seconds=1e9,
        user_asks=stop_asked,
    )


def run(state, keeper, console=None, plan=PLAN, **changes):
    console = console or Console(quiet=True)
    return fit(state, plan, parts(**changes), keeper, console)


def rows_of(path):
    with path.open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


AVERAGES = {
    "lookahead": lambda model: Lookahead(model, 2),
    "ema": lambda model: Ema(model, 0.9),
}


@pytest.mark.parametrize("average", list(AVERAGES))
@pytest.mark.parametrize("place", [(0, 2), (1, 2), (1, 4), (2, 0)])
def test_a_run_that_was_stopped_inside_an_epoch_goes_on_to_the_same_bits(tmp_path, average, place):
    """With one-cycle, momentum, accumulation, clipping, dropout, a penalty and an average."""
    made, penalty = AVERAGES[average], Penalty(l1=1e-3, l2=1e-2)
    whole, stopped, gone_on = begun(made), begun(made), begun(made, seed=5)
    run(whole, keeper_in(tmp_path / "whole"), penalty=penalty)
    asked = keeper_in(tmp_path / "parts", lambda: (stopped.epoch, stopped.step) >= place)
    with pytest.raises(StoppedError):
        run(stopped, asked, penalty=penalty)
    keeper = keeper_in(tmp_path / "parts")
    keeper.restore(gone_on, keeper.checkpoints.read())
    assert (gone_on.epoch, gone_on.step) == place
    run(gone_on, keeper, penalty=penalty)
    for one, other in ((whole.model, gone_on.model), (whole.judged, gone_on.judged)):
        for name, value in one.state_dict().items():
            assert torch.equal(value, other.state_dict()[name]), name
    assert whole.ema.updates == gone_on.ema.updates == 9
    figures = [[{**row, "seconds": 0} for row in each.history] for each in (whole, gone_on)]
    assert as_csv(figures[0]) == as_csv(figures[1])
    files = [tmp_path / name / "steps.csv" for name in ("whole", "parts")]
    assert files[0].read_text() == files[1].read_text()


def test_a_checkpoint_inside_an_epoch_holds_what_came_since_the_one_before(tmp_path):
    """Logits of a batch are written once, whatever the number of checkpoints after it."""
    state, keeper, found = begun(), keeper_in(tmp_path), []
    keeper._every = -1  # always due

    def note(draft_of=keeper.checkpoints.write_running):
        def write(epoch, step, chunk):
            found.append((epoch, step, len(chunk[0])))
            return draft_of(epoch, step, chunk)

        return write

    keeper.checkpoints.write_running = note()
    run(state, keeper, plan=replace(PLAN, epochs=2))
    assert found == [(0, 2, 12), (0, 4, 12), (1, 2, 12), (1, 4, 12)]
    assert [path.name for path in (tmp_path / "checkpoint").glob("running-*")] == []


def test_logits_of_many_steps_leave_the_device_and_stay_in_order(monkeypatch):
    monkeypatch.setattr("fieldmark.fit.state.WAITING", 2)
    running, steps = Running(), [torch.full((2, 3), float(n)) for n in range(5)]
    for n, logits in enumerate(steps):
        running.add(torch.tensor(1.0), logits, torch.tensor([n, n]))
    assert (len(running.chunks), len(running.waiting)) == (2, 1)
    assert torch.equal(running.tables()[0], torch.cat(steps))
    assert running.tables()[1].tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


def test_a_checkpoint_from_before_there_were_penalties_is_read_all_the_same():
    tree = begun().tree()
    del tree["penalty_sum"], tree["penalised_steps"]
    state = begun(seed=4)
    state.restore(tree)
    assert state.running.penalised_steps == 0


def test_every_batch_has_a_row_of_steps_with_its_loss_and_accuracy(tmp_path):
    run(begun(), keeper_in(tmp_path))
    rows = rows_of(tmp_path / "steps.csv")
    wanted = [(str(e + 1), str(s + 1)) for e in range(3) for s in range(len(SIZES))]
    assert [(row["epoch"], row["step"]) for row in rows] == wanted
    for row, size in zip(rows, SIZES * 3, strict=True):
        right = float(row["accuracy"]) * size
        assert right == pytest.approx(round(right), abs=1e-5)
    first = rows_of(tmp_path / "history.csv")[0]
    losses = [float(row["loss"]) * size for row, size in zip(rows, SIZES, strict=False)]
    assert float(first["train_loss"]) == pytest.approx(sum(losses) / sum(SIZES))


def test_history_has_every_metric_of_training_and_validation_without_a_second_pass(tmp_path):
    state = begun()
    seen = []
    state.model.register_forward_hook(lambda *_: seen.append(state.model.training))
    run(state, keeper_in(tmp_path))
    assert seen.count(True) == 3 * len(SIZES)
    assert seen.count(False) == 3
    for row in rows_of(tmp_path / "history.csv"):
        for name in of_task():
            assert {f"train_{name}", f"val_{name}"} <= row.keys()


def test_the_history_is_followed_when_the_epoch_is_on_disk(tmp_path):
    found = []

    def follow(history):
        on_disk = Checkpoints(tmp_path / "checkpoint").read()
        found.append(([row["epoch"] for row in history], on_disk["epoch"]))

    run(begun(), keeper_in(tmp_path), follow=follow)
    assert found == [([1], 1), ([1, 2], 2), ([1, 2, 3], 3)]


ROW = {
    "epoch": 2,
    "seconds": 1.25,
    "lr": 0.001,
    "train_loss": 0.5,
    "val_loss": 0.25,
    "val_accuracy": 0.75,
    "val_macro_f1": 0.5,
    "val_roc_auc": 0.875,
}


def test_the_line_of_an_epoch_has_loss_accuracy_and_the_monitored_figure():
    line = epoch_line(ROW, Plan(12, 0, monitor="macro_f1"), is_best=True)
    assert line == (
        "epoch  2/12  1.2 s  lr 0.001  train loss 0.5000  val loss 0.2500  "
        "val accuracy 0.7500  val macro_f1 0.5000  best"
    )


def test_the_line_of_an_epoch_has_each_figure_that_is_asked_for_once_and_the_penalty():
    plan = Plan(12, 0, monitor="accuracy", figures=("roc_auc", "accuracy", "loss"))
    line = epoch_line({**ROW, "train_penalty": 2.25}, plan, is_best=False)
    assert line == (
        "epoch  2/12  1.2 s  lr 0.001  train loss 0.5000  penalty 2.2500  val loss 0.2500  "
        "val accuracy 0.7500  val roc_auc 0.8750"
    )


def test_the_line_of_an_epoch_has_what_is_asked_for_of_the_training_too():
    row = {**ROW, "train_roc_auc": 0.625, "train_accuracy": 0.5}
    assert epoch_line(row, Plan(12, 0, figures=("roc_auc",)), is_best=False).startswith(
        "epoch  2/12  1.2 s  lr 0.001  train loss 0.5000  train roc_auc 0.6250  val loss 0.2500  "
    )


def test_without_validation_the_line_tells_of_training_alone():
    row = {name: value for name, value in ROW.items() if not name.startswith("val_")}
    line = epoch_line(row, Plan(12, 0, figures=("roc_auc",)), is_best=True)
    assert line == "epoch  2/12  1.2 s  lr 0.001  train loss 0.5000"


# what several processes agree on; the others are made up


class Others(Ranks):
    """One of two processes; the other one says `true` to whatever is asked of any."""

    def __init__(self, rank=0, *, says=False, first=None):
        self.rank, self.says, self.found = rank, says, first
        self.asked = []

    def any_of(self, mine):
        self.asked.append(mine)
        return mine or self.says

    def of_first(self, mine):
        return mine if self.found is None else self.found


def keeper_of(folder, ranks):
    keeper = keeper_in(folder)
    keeper._ranks = ranks
    return keeper


def test_alone_all_is_as_it_is_asked():
    assert ALONE.is_first
    assert [ALONE.any_of(x) for x in (True, False)] == [True, False]
    assert ALONE.of_first(3) == 3


def test_training_stops_where_another_process_is_asked_to(tmp_path):
    state = begun()
    with pytest.raises(StoppedError, match="after step 2 of 5"):
        run(state, keeper_of(tmp_path, Others(says=True)))


def test_training_ends_where_the_loss_of_another_is_not_finite(tmp_path):
    with pytest.raises(NotFiniteError):
        run(begun(), keeper_in(tmp_path), ranks=Others(says=True))


def test_the_best_epoch_is_that_of_the_first(tmp_path):
    state = begun()
    run(state, keeper_in(tmp_path), ranks=Others(first=False))
    assert state.best_epoch is None


def test_a_checkpoint_is_due_when_it_is_for_the_first(tmp_path):
    assert keeper_of(tmp_path, Others(first=True)).due()
    assert not keeper_in(tmp_path).due()


def test_the_first_alone_writes(tmp_path):
    run(begun(), keeper_of(tmp_path, Others(rank=1)))
    assert list(tmp_path.iterdir()) == []


def test_each_process_draws_for_itself(tmp_path):
    states = [begun(), begun()]
    for rank, state in enumerate(states):
        run(state, keeper_in(tmp_path / str(rank)), ranks=Others(rank))
    one, other = (state.history[0]["train_loss"] for state in states)
    assert one != other  # by dropout alone: the batches are the same
