"""The loop's own steps against brute force."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from loopparts import CPU, parts
from torch.nn import functional

from fieldmark.fit.averages import Ema
from fieldmark.fit.epochs import note_epoch, out_of_patience, times_worse
from fieldmark.fit.keeper import as_csv
from fieldmark.fit.loop import seed_step, step
from fieldmark.fit.losses import cross_entropy, focal
from fieldmark.fit.plan import Plan
from fieldmark.fit.state import State
from fieldmark.models import precision


def linear_state(seed=0, rate=0.5):
    torch.manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 3))
    return State(model, torch.optim.SGD(model.parameters(), lr=rate))


def test_accumulated_batches_step_like_one_batch():
    images = torch.randn(8, 3, 2, 2)
    targets = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])
    whole, pieces = linear_state(), linear_state()
    step(whole, Plan(1, 0), parts([8]), images, targets)
    plan = Plan(1, 0, accumulate=2)
    for place in range(2):
        pieces.step = place
        step(pieces, plan, parts([4, 4]), images[4 * place :][:4], targets[4 * place :][:4])
    for one, other in zip(whole.model.parameters(), pieces.model.parameters(), strict=True):
        torch.testing.assert_close(one, other)


GROUPS = [[8, 2], [16, 16, 8], [5, 1, 4]]
LOSSES = {
    "plain": cross_entropy(np.ones(3)),
    "smooth": cross_entropy(np.ones(3), label_smoothing=0.1),
    "weighted": cross_entropy(np.array([9, 3, 1]), class_weights="balanced"),
    "focal": focal(np.array([9, 3, 1]), class_weights=(1.0, 2.0, 0.5), label_smoothing=0.1),
}


def gradients(model):
    return [parameter.grad for parameter in model.parameters()]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("sizes", GROUPS)
def test_a_group_of_unequal_batches_has_the_gradient_of_all_its_images(sizes, mixed, loss):
    count = sum(sizes)
    images, targets = torch.randn(count, 3, 2, 2), torch.arange(count) % 3
    wanted = torch.rand(count, 3).softmax(dim=1) if mixed else targets
    whole, pieces = linear_state(), linear_state()
    LOSSES[loss](whole.model(images), wanted).backward()
    plan = Plan(1, 0, accumulate=len(sizes))
    found = replace(parts(sizes), loss=LOSSES[loss])
    cuts = [images.split(sizes), targets.split(sizes), wanted.split(sizes)]
    for place, (some, own, mix) in enumerate(zip(*cuts, strict=True)):
        pieces.step = place
        mixing = replace(found, mix=lambda images, *_, mix=mix: (images, mix)) if mixed else found
        step(pieces, plan, mixing, some, own)
    torch.testing.assert_close(gradients(pieces.model), gradients(whole.model))


def test_plain_torch_agrees_on_weights_over_a_group():
    images, targets = torch.randn(10, 3, 2, 2), torch.arange(10) % 3
    weights, state, plain = (1.0, 2.0, 0.5), linear_state(), linear_state().model
    functional.cross_entropy(plain(images), targets, weight=torch.tensor(weights)).backward()
    found = replace(parts([8, 2]), loss=cross_entropy(np.ones(3), class_weights=weights))
    for state.step, rows in enumerate((slice(0, 8), slice(8, 10))):
        step(state, Plan(1, 0, accumulate=2), found, images[rows], targets[rows])
    torch.testing.assert_close(gradients(state.model), gradients(plain))


def test_a_last_group_that_is_short_is_the_mean_of_its_own_batches():
    images, targets = torch.randn(4, 3, 2, 2), torch.tensor([0, 1, 2, 0])
    alone, last = linear_state(), linear_state()
    step(alone, Plan(1, 0), parts([4]), images, targets)
    last.step = 2  # the third of three batches, in groups of two
    step(last, Plan(1, 0, accumulate=2), parts([4, 4, 4]), images, targets)
    for one, other in zip(alone.model.parameters(), last.model.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_the_gradient_is_cut_to_its_norm():
    images, targets = 100 * torch.randn(8, 3, 2, 2), torch.randint(0, 3, (8,))
    state = linear_state(rate=1.0)
    before = [parameter.detach().clone() for parameter in state.model.parameters()]
    step(state, Plan(1, 0, clip_norm=0.01), parts([8]), images, targets)
    moved = [
        (old - new.detach()).square().sum()
        for old, new in zip(before, state.model.parameters(), strict=True)
    ]
    assert math.sqrt(sum(moved)) == pytest.approx(0.01, rel=1e-4)


def test_the_average_is_that_of_brute_force():
    torch.manual_seed(0)
    model = torch.nn.BatchNorm1d(3)
    ema = Ema(model, decay=0.6)
    wanted = model.weight.detach().clone()
    for update in range(20):
        with torch.no_grad():
            model.weight.add_(torch.randn(3))
        model.num_batches_tracked.add_(1)
        ema.update(model)
        decay = min(0.6, (1 + update) / (10 + update))
        wanted = decay * wanted + (1 - decay) * model.weight.detach()
    torch.testing.assert_close(ema.model.weight.detach(), wanted)
    assert ema.model.num_batches_tracked == 20
    assert not ema.model.training


def test_every_step_has_its_own_draws_and_keeps_them():
    def draws(*place):
        seed_step(*place)
        return torch.rand(1).item(), np.random.rand()  # noqa: NPY002

    places = [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0)]
    found = [draws(*place) for place in places]
    assert len(set(found)) == len(places)
    assert [draws(*place) for place in places] == found


def noted(state, plan, rows):
    """Which of the epochs were the best so far."""
    found = []
    for accuracy, loss in rows:
        row = {"val_accuracy": accuracy, "val_loss": loss}
        found.append(note_epoch(state, plan, parts([1]), row))
    return found


def test_of_equal_epochs_the_one_with_less_loss_is_the_best_else_the_earlier():
    rows = [(0.5, 9), (0.7, 2), (0.7, 2), (math.nan, 1), (0.7, 1), (0.6, 0), (0.8, 3)]
    best = noted(linear_state(), Plan(9, 0, monitor="accuracy"), rows)
    assert best == [True, True, False, False, True, False, True]


def test_less_loss_alone_does_not_count_against_patience():
    state, plan = linear_state(), Plan(9, 0, monitor="accuracy", patience=2)
    noted(state, plan, [(0.7, 3), (0.7, 2)])
    assert not out_of_patience(state, plan)
    noted(state, plan, [(0.7, 1)])
    assert state.best_epoch == 3
    assert out_of_patience(state, plan)


HEAD = (0.9, 0.30)  # accuracy and loss of the stage before
RISING = [(0.80, 0.5), (0.86, 0.4), (0.85, 0.4), (0.84, 0.4)]


def in_second_stage(rows, head=HEAD, *, images, patience=2):
    """After how many epochs of a second stage patience was out, and which epoch is kept."""
    state = linear_state()
    noted(state, Plan(1, 0, monitor="accuracy"), [head])
    state.patient_from, state.validated = 1, images
    plan = Plan(9, 0, first=1, monitor="accuracy", patience=patience)
    for done, row in enumerate(rows):
        if out_of_patience(state, plan):
            return done, state.best_epoch
        noted(state, plan, [row])
    return len(rows), state.best_epoch


def test_patience_of_a_later_stage_counts_from_its_own_beginning():
    assert in_second_stage([*RISING, (0.95, 0.1)], images=269) == (4, 1)
    assert in_second_stage([*RISING[:3], (0.91, 0.1), (0.8, 0.1)], images=269) == (5, 5)


def test_with_few_validation_images_the_loss_decides_patience_of_a_later_stage():
    """As it was seen: a loss that fell by 26 %, and one of 34 images that was lost meanwhile."""
    head = (34 / 34, 0.30)
    seen = [(33 / 34, 0.25), (33 / 34, 0.24), (33 / 34, 0.23), (33 / 34, 0.222)]
    assert in_second_stage(seen, head, images=34) == (4, 1)
    assert in_second_stage(seen, head, images=340) == (3, 1)
    risen = [(0.5, 0.2), (0.9, 0.3), (0.9, 0.3)]
    assert in_second_stage(risen, images=199, patience=1)[0] == 2
    assert in_second_stage(risen, images=200, patience=1)[0] == 3


def test_the_first_stage_counts_the_figure_whatever_the_number_of_images():
    state, plan = linear_state(), Plan(9, 0, monitor="accuracy", patience=1)
    state.validated = 34
    noted(state, plan, [(0.5, 1.0), (0.5, 0.9)])
    assert out_of_patience(state, plan) == "stopped early: no better accuracy for 1 epoch"


def test_the_reason_names_what_did_not_become_better():
    state, plan = linear_state(), Plan(9, 0, first=1, monitor="accuracy", patience=1)
    noted(state, plan, [(0.5, 1.0), (0.5, 1.0), (0.6, 1.0)])
    assert out_of_patience(state, plan) is None
    state.validated = 34
    assert out_of_patience(state, plan) == "stopped early: no less validation loss for 1 epoch"


def test_an_earlier_stage_gives_way_to_a_better_figure_only():
    state = linear_state()
    noted(state, Plan(2, 0, monitor="accuracy"), [(0.6, 3), (0.7, 2)])
    second = Plan(4, 0, first=2, monitor="accuracy")
    assert noted(state, second, [(0.7, 1), (0.8, 9), (0.8, 8)]) == [False, True, True]


def test_less_is_better_where_the_sign_says_so():
    state, plan = linear_state(), Plan(9, 0, monitor="loss", sign=-1)
    best = [note_epoch(state, plan, parts([1]), {"val_loss": value}) for value in (2.0, 1.0, 1.5)]
    assert best == [True, True, False]


def test_a_figure_that_is_never_defined_keeps_the_newest_epoch():
    state, plan = linear_state(), Plan(9, 0, monitor="roc_auc")
    assert [note_epoch(state, plan, parts([1]), {"val_roc_auc": math.nan}) for _ in "abc"] == [
        True
    ] * 3


def test_patience_counts_epochs_since_the_best_and_since_going_further():
    state, plan = linear_state(), Plan(99, 0, monitor="accuracy", patience=2)
    for value in (0.5, 0.4, 0.3):
        assert not out_of_patience(state, plan)
        note_epoch(state, plan, parts([1]), {"val_accuracy": value})
    assert out_of_patience(state, plan)
    state.patient_from = state.epoch
    assert not out_of_patience(state, plan)


def test_an_epoch_is_validated_every_so_often_and_at_the_end_of_its_stage():
    plan = Plan(7, 0, first=4, validate_every=3)
    assert [epoch for epoch in range(5, 12) if plan.validates(epoch)] == [7, 10, 11]
    assert all(Plan(3, 0).validates(epoch) for epoch in (1, 2, 3))


def test_an_epoch_without_validation_is_never_the_best_once_one_was_judged():
    state, plan = linear_state(), Plan(9, 0, monitor="accuracy", validate_every=2)
    rows = [{}, {"val_accuracy": 0.5, "val_loss": 1.0}, {}, {"val_accuracy": 0.4, "val_loss": 1.0}]
    best = [note_epoch(state, plan, parts([1]), dict(row)) for row in rows]
    assert best == [True, True, False, False]
    assert state.best_epoch == 2


def test_patience_counts_validations():
    plan = Plan(99, 0, monitor="accuracy", patience=2, validate_every=3)
    state, ended = linear_state(), None
    while not (ended := out_of_patience(state, plan)):
        value = 0.5 if state.epoch + 1 == 6 else 0.4
        row = {"val_accuracy": value} if plan.validates(state.epoch + 1) else {}
        note_epoch(state, plan, parts([1]), row)
    assert (state.epoch, state.best_epoch) == (12, 6)
    assert ended == "stopped early: no better accuracy for 2 validations"


def stops_at(losses, *, patience, delta):
    """The published loop: after how many validations it ends; None where it does not."""
    least, counter = math.inf, 0
    for place, loss in enumerate(losses, 1):
        if loss < least:
            least, counter = loss, 0
        elif loss > least + delta:
            counter += 1
            if counter >= patience:
                return place
    return None


@pytest.mark.parametrize(
    ("losses", "worse"),
    [
        ([], 0),
        ([1.0], 0),
        ([1.0, 1.2, 1.3], 2),
        ([1.0, 1.05, 1.1, 1.05], 0),  # none is above the least by more than 0.1
        ([1.0, 1.2, 1.05, 1.2], 2),  # what lies between neither counts nor begins anew
        ([1.0, 1.2, 1.2, 0.9999], 0),
        ([1.0, 1.2, math.nan, 1.2], 2),  # an epoch without validation
        ([math.nan, math.nan], 0),
    ],
)
def test_a_loss_below_the_least_begins_anew_one_far_above_counts_one_between_does_neither(
    losses, worse
):
    assert times_worse(losses, 0.1) == worse


@pytest.mark.parametrize("seed", range(20))
def test_min_delta_ends_where_the_published_loop_does(seed):
    losses = np.random.default_rng(seed).uniform(0.5, 0.6, size=40).round(3).tolist()
    plan = Plan(99, 0, monitor="accuracy", patience=6, min_delta=0.03, validate_every=2)
    state, wanted = linear_state(), stops_at(losses, patience=6, delta=0.03)
    for done, loss in enumerate(losses):
        if out_of_patience(state, plan):
            break
        note_epoch(state, plan, parts([1]), {})
        better = {"val_accuracy": done / 100, "val_loss": loss}  # what is monitored changes nothing
        note_epoch(state, plan, parts([1]), better)
    assert done == wanted
    assert state.epoch == 2 * wanted
    assert out_of_patience(state, plan) == (
        "stopped early: the validation loss was more than 0.03 above its least in 6 validations"
    )


def test_min_delta_counts_from_where_a_finished_run_goes_on_and_in_its_own_stage():
    assert times_worse([1.0, 1.2, 1.2, 1.2], 0.1, start=2) == 2
    state, plan = linear_state(), Plan(9, 0, first=2, patience=1, min_delta=0.0)
    for loss in (0.1, 0.2, 0.5, 0.4):
        note_epoch(state, plan, parts([1]), {"val_loss": loss})
    assert out_of_patience(state, plan) is None
    note_epoch(state, plan, parts([1]), {"val_loss": 0.45})
    assert out_of_patience(state, plan)
    state.patient_from = state.epoch
    assert out_of_patience(state, plan) is None


def test_history_reads_back_to_the_same_numbers():
    text = as_csv([{"epoch": 1, "loss": 0.1 + 0.2}, {"epoch": 2, "loss": math.nan, "more": 1e-30}])
    assert text == "epoch,loss,more\n1,0.30000000000000004,\n2,nan,1e-30\n"


def test_the_precision_follows_a_fixed_table():
    wanted = "bf16" if precision.has_fast_bf16() else "float32"
    assert precision.choose(CPU, "resnet") == wanted
    assert precision.choose(CPU, "small") == "float32"


def test_sixteen_bits_with_a_scaler_need_a_gpu():
    mistakes = precision.check("16-mixed", CPU)
    assert [str(mistake) for mistake in mistakes] == [
        "run.precision: 16-mixed needs a CUDA GPU; take bf16, float32 or auto"
    ]


def test_a_device_that_is_not_there_is_told():
    count = torch.cuda.device_count()
    mistakes = precision.check_device(f"cuda:{count}")
    assert [str(mistake) for mistake in mistakes] == [
        f"run.device: there is no cuda:{count}, only {count}; take cpu or auto"
        if count
        else "run.device: there is no CUDA GPU here; take cpu or auto"
    ]
