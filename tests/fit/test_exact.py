"""The exact head: against scikit-learn and torch, and what chooses its penalty and scaling."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from headtasks import C, D, N, drawn, several, task, task_of_several
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from torch.nn import functional

from fieldmark.errors import StoppedError
from fieldmark.fit import directions, exact, newton
from fieldmark.fit.exact import KINDS, PENALTIES, fit_exact
from fieldmark.fit.logistic import Task
from fieldmark.fit.losses import LOSSES, weights_of


def same_scores(found, wanted, atol=2e-4):
    """Whether logits are the same but for a constant a row, which no score knows."""
    one, other = (each - each.mean(axis=1, keepdims=True) for each in (found, wanted))
    return np.allclose(one, other, rtol=1e-7, atol=atol)


def scaled(features, kind, of):
    """What features are before the penalty, by the words of the documentation; `of`: trained on."""
    x, known = features.astype(np.float64), of.astype(np.float64)
    if kind == "length":
        return x / np.linalg.norm(x, axis=1, keepdims=True)
    if kind == "standard":
        variance = known.var(axis=0)
        variance = (len(known) * variance + 20 * variance.mean()) / (len(known) + 20)
        return x / np.sqrt(variance * x.shape[1])
    return x / np.sqrt((known**2).sum(axis=1).mean())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(N, D), (12, 40)], ids=["many", "few"])
def test_the_head_is_scikit_learns_logistic_regression(kind, shape):
    features, targets = drawn(*shape)
    solved = fit_exact(task(features, targets), [kind], [0.1])
    theirs = LogisticRegression(C=10.0, tol=1e-10, max_iter=10_000)
    theirs.fit(scaled(features, kind, features), targets)
    new, _ = drawn(*shape, seed=1)
    found = solved.logits(torch.from_numpy(new)).numpy()
    assert same_scores(found, theirs.decision_function(scaled(new, kind, features)))


@pytest.mark.parametrize(
    "loss",
    [
        {},
        {"label_smoothing": 0.1},
        {"class_weights": (1.0, 2.0, 5.0)},
        {"class_weights": "balanced", "label_smoothing": 0.2},
        {"logit_adjustment": 1.0},
    ],
    ids=str,
)
def test_nothing_near_the_head_has_less_of_the_loss_and_the_penalty(loss):
    features, targets = drawn(40, 5)
    targets = np.where(np.arange(40) < 25, 0, targets)  # uneven, so that weights count
    counts = np.bincount(targets, minlength=C)
    solved = fit_exact(task(features, targets, loss=loss), ["plain"], [0.3])
    made = LOSSES.build("cross_entropy", LOSSES.read("cross_entropy", dict(loss))[0], counts)
    x, truth = torch.from_numpy(features), torch.from_numpy(targets)
    length = x.double().square().sum(1).mean().sqrt()

    def whole(weight, bias):
        logits = x.double() @ weight.T + bias
        total = made.weight(truth) if made.weights is not None else len(truth)
        scaled_weight = weight * length
        return float(made(logits, truth)) * float(total) + 0.15 * float(
            scaled_weight.square().sum()
        )

    weight, bias = solved.weights[0], solved.biases[0]
    least = whole(weight, bias)
    draw = torch.Generator().manual_seed(0)
    for step in (1e-2, 1e-1):
        for _ in range(10):
            away = step * torch.randn(weight.shape, generator=draw, dtype=torch.float64) / length
            beside = step * torch.randn(bias.shape, generator=draw, dtype=torch.float64)
            assert whole(weight + away, bias + beside) > least - 1e-6


def test_folds_heads_are_those_of_their_rows_alone(monkeypatch):
    monkeypatch.setattr(exact, "JUDGED", exact.KEPT)  # or what judges is solved less far
    features, targets = drawn()
    together = task(features, targets, folds=4)
    solved = fit_exact(together, ["plain"], [0.01])
    length = np.sqrt((features.astype(np.float64) ** 2).sum(axis=1).mean())
    for problem in range(5):
        rows = together.trained[problem]
        theirs = LogisticRegression(C=100.0, tol=1e-10, max_iter=10_000)
        theirs.fit(features[rows].astype(np.float64) / length, targets[rows])
        found = solved.logits(torch.from_numpy(features), problem).numpy()
        assert same_scores(found, theirs.decision_function(features / length), atol=2e-3)


def losses_out_of_fold(folds, scaling, penalty):
    """Of every image, by the head of the folds that it is not in. -> (n,)"""
    solved, found = fit_exact(folds, [scaling], [penalty]), np.empty(len(folds.targets))
    for problem, held in enumerate(folds.judged):
        rows = folds.features[torch.from_numpy(held)]
        truth = torch.from_numpy(folds.targets[held])
        logits = solved.logits(rows, problem)
        found[held] = functional.cross_entropy(logits, truth, reduction="none").numpy()
    return found


@pytest.mark.parametrize("penalty", [1e-2, 1e-4, 1e-6])
def test_what_judges_is_solved_so_far_that_its_loss_is_scikit_learns(penalty):
    """Of images that were held out, begun at zero, and from the penalty before."""
    features, targets = drawn(100, 200, 5, apart=0.35)
    folds = task(features, targets, folds=5, classes=5)
    scaled = features / np.sqrt((features.astype(np.float64) ** 2).sum(axis=1).mean())
    wanted = np.empty(len(targets))
    for held in folds.judged[1:]:
        head = LogisticRegression(C=1 / penalty, tol=1e-10, max_iter=10_000)
        head.fit(scaled[~held], targets[~held])
        scores = head.predict_log_proba(scaled[held])
        wanted[held] = -scores[np.arange(held.sum()), targets[held]]
    cold = losses_out_of_fold(folds, "plain", penalty)
    assert cold.mean() == pytest.approx(wanted.mean(), rel=0.01)
    tried = {way.penalty: way.loss for way in fit_exact(folds, ["plain"]).tried}
    assert (penalty in tried) == (penalty < 1e-2)  # from 1e-3 weaker ones help
    if penalty in tried:
        assert tried[penalty] == pytest.approx(wanted.mean(), rel=0.01)


@pytest.mark.parametrize(("apart", "is_best"), [(0.6, True), (1.2, True), (2, False)])
def test_the_strongest_penalty_within_a_standard_error_of_the_least_loss_is_taken(apart, is_best):
    """Of images that were held out, with the scaling whose least is the least of all."""
    folds = task(*drawn(C * 40, apart=apart), folds=5)
    solved = fit_exact(folds)
    assert len({way.scaling for way in solved.tried}) == 3
    best = min(solved.tried, key=lambda way: way.loss)
    assert solved.scaling == best.scaling
    least = losses_out_of_fold(folds, *best[:2])
    assert best.loss == pytest.approx(least.mean(), abs=2e-3)
    more = {
        way.penalty: losses_out_of_fold(folds, *way[:2]) - least
        for way in solved.tried
        if way.scaling == best.scaling
    }
    near = [each for each, by in more.items() if by.mean() <= by.std() / len(by) ** 0.5]
    assert solved.penalty == max(near)
    assert (solved.penalty == best.penalty) == is_best
    assert min(PENALTIES) < solved.penalty < max(PENALTIES)


def test_an_image_whose_class_its_head_has_not_seen_judges_nothing():
    features, targets = drawn(C * 2)
    one_each = task(features[:C], targets[:C], folds=0)
    alone = np.concatenate([np.zeros((1, C), bool), np.eye(C, dtype=bool)])
    unjudged = Task(
        *[getattr(one_each, each) for each in ("features", "targets", "shares", "shift")],
        ~alone,
        alone,
    )
    solved = fit_exact(unjudged)
    assert (solved.scaling, solved.penalty) == exact.UNJUDGED
    assert np.isnan(solved.tried[0].loss)
    assert solved.logits(torch.from_numpy(features[:C])).argmax(1).tolist() == targets[:C].tolist()


def test_images_that_only_judge_are_not_trained_on():
    features, targets = drawn()
    out = np.arange(N) >= 40
    with_them = fit_exact(task(features, targets, out=out), ["length"], [0.01])
    other = features.copy()
    other[out] = 7.0
    without = fit_exact(task(other, targets, out=out), ["length"], [0.01])
    torch.testing.assert_close(with_them.weights, without.weights, atol=1e-3, rtol=1e-4)


def test_the_same_features_give_the_same_bits_whatever_torch_draws():
    features, targets = drawn()
    torch.manual_seed(1)
    one = fit_exact(task(features, targets, folds=3))
    torch.manual_seed(2)
    other = fit_exact(task(features, targets, folds=3))
    assert torch.equal(one.weights, other.weights)
    assert one.tried == other.tried


def test_a_search_ends_at_the_look_that_is_asked_to_stop():
    looks = []

    def looking():
        looks.append(None)
        if len(looks) == 20:
            raise StoppedError("now")

    with pytest.raises(StoppedError):
        fit_exact(task(*drawn(), folds=4), looking=looking)
    assert len(looks) == 20


def test_features_that_never_differ_and_images_without_any_leave_all_finite():
    features, targets = drawn()
    features[:, 0] = 1.0
    features[:, 1] = 0.0
    features[3] = 0.0
    for kind in KINDS:
        solved = fit_exact(task(features, targets), [kind], [1e-6])
        assert solved.weights.isfinite().all()
        assert solved.weights[:, :, 1].abs().max() < 1e-6  # nothing is known of it


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", [5, 40], ids=["many", "few"])
def test_where_images_that_train_are_all_alike_others_are_answered_too(kind, width):
    features, targets = drawn(30, width)
    features[:20] = 0.3 * (kind != "length")  # of length 0 they stay alike
    out = np.arange(30) >= 20
    solved = fit_exact(task(features, targets, out=out), [kind])
    assert solved.weights.isfinite().all()
    assert not any(np.isnan(way.loss) for way in solved.tried)
    shares = np.log(np.bincount(targets[:20]) / 20)
    assert same_scores(solved.logits(torch.from_numpy(features)).numpy(), shares[None], atol=1e-2)


def test_where_all_images_and_folds_choose_nothing_is_turned_or_begun_anew(monkeypatch):
    features, targets = drawn(60)
    whole = task(features, targets, out=np.arange(60) % 5 == 0)
    monkeypatch.setattr(exact, "COSTLY", whole.cost // 2)
    assert exact._few(whole) is whole  # fewer than FEWEST a class are never taken
    folds = task(features, targets, folds=5)
    monkeypatch.setattr(exact, "COSTLY", folds.cost * 5 // 6)  # the folds' own
    assert exact._few(folds) is folds
    monkeypatch.setattr(exact, "COSTLY", folds.cost * 5 // 6 - 1)
    assert len(exact._few(folds).judged) == 4


def test_of_very_many_images_some_choose_and_all_are_trained_on(monkeypatch):
    features, targets = drawn(600)
    monkeypatch.setattr(exact, "COSTLY", 600 * D * C // 4)
    for module in (directions, newton):
        monkeypatch.setattr(module, "ROWS", 64)
    out = np.arange(600) % 5 == 0
    few = fit_exact(task(features, targets, out=out), ["plain", "length"], [1.0, 0.01])
    monkeypatch.setattr(exact, "COSTLY", 10**12)
    chosen = fit_exact(task(features, targets, out=out), [few.scaling], [few.penalty])
    found, wanted = (each.logits(torch.from_numpy(features)) for each in (few, chosen))
    assert same_scores(found.numpy(), wanted.numpy(), atol=1e-3)


@pytest.mark.parametrize(
    ("each", "folds", "costly", "problems"),
    [(40, 0, 400_000, 1), (40, 5, 2_400_000, 2), (12, 5, 1_400_000, 4)],
)
def test_where_some_choose_all_classes_and_their_sides_are_there(
    each, folds, costly, problems, monkeypatch
):
    classes = 60
    monkeypatch.setattr(exact, "COSTLY", costly)
    features, targets = drawn(classes * each, D, classes)
    out = None if folds else np.arange(len(targets)) // classes < 8
    whole = task(features, targets, classes=classes, folds=folds, out=out)
    few = exact._few(whole)
    assert few.cost < whole.cost
    assert few.shares.shape[1] == classes
    assert len(few.judged) == problems
    assert np.bincount(few.targets).min() >= min(each, exact.FEWEST)
    for target in range(classes):
        own = few.targets == target
        for trained, judged in zip(few.trained, few.judged, strict=True):
            assert trained[own].any()
            assert judged[own].any()
            assert not (trained & judged).any()


def test_those_that_choose_for_very_many_images_find_the_penalty_that_all_find(monkeypatch):
    features, targets = drawn(60 * 20, 16, 60, apart=1.2)
    whole = task(features, targets, classes=60, folds=5)
    by_all = fit_exact(whole, ["plain"])
    monkeypatch.setattr(exact, "COSTLY", whole.cost // 8)
    by_few = fit_exact(whole, ["plain"])
    assert by_few.penalty == by_all.penalty
    assert 1e-6 < by_all.penalty < 1


def test_where_the_few_images_of_a_fold_are_left_out_heads_begin_as_their_own(monkeypatch):
    """Of four problems the second judges one image, which is not among those that choose."""
    whole, begun = task(*drawn(600), folds=3), []
    held = np.random.default_rng(0).random(600) < 0.5
    held[7] = False
    sides = np.stack([np.zeros(600, bool), np.arange(600) == 7, held, ~held])
    sides[3, 7] = False
    given = replace(whole, trained=~sides, judged=sides)
    monkeypatch.setattr(exact, "MOST_CHOOSE", 100)
    assert exact._judges(exact._few(given)) == [1, 2]  # of the problems 1, 2 and 3
    real = exact._begun
    monkeypatch.setattr(exact, "_begun", lambda *a: begun.append(real(*a)) or begun[0].clone())
    solved = fit_exact(given, ["plain"])
    start = begun[0]
    assert not start[1, :, :-1].any()
    for problem in (2, 3):
        logits = given.turned("plain").rows @ start[problem].T
        wanted = solved.logits(given.features, problem).numpy()
        assert np.corrcoef(logits.numpy().ravel(), wanted.ravel())[0, 1] > 0.9


@pytest.mark.parametrize(
    ("costly", "ways"), [(10**12, (KINDS,)), (1, (KINDS,)), (1, (["plain"], [0.1]))]
)
def test_the_kept_head_alone_is_the_one_beside_those_of_folds(costly, ways, monkeypatch):
    monkeypatch.setattr(exact, "COSTLY", costly)
    folds, seen, real = task(*drawn(600), folds=4), [], exact.solve
    monkeypatch.setattr(exact, "solve", lambda *a: seen.append(len(a[1].trained)) or real(*a))
    beside, looks = fit_exact(folds, *ways), len(seen)
    alone = fit_exact(folds, *ways, alone=True)
    assert alone.weights.shape == (1, C, D)
    assert (alone.scaling, alone.penalty) == (beside.scaling, beside.penalty)
    assert alone.tried == beside.tried
    torch.testing.assert_close(alone.weights, beside.weights[:1], atol=2e-3, rtol=1e-3)
    assert seen[-1] == 1
    assert len(seen) - looks == looks - (costly == 1)  # the folds' own search is left out


def test_balanced_weights_are_as_if_every_class_had_as_many_images():
    features, targets = drawn(30)
    few = np.concatenate([np.flatnonzero(targets == 0)[:2], np.flatnonzero(targets > 0)])
    weights = weights_of("balanced", np.bincount(targets[few]))
    whole = task(features[few], targets[few])
    weighted = Task(
        whole.features,
        whole.targets,
        whole.shares * weights[torch.from_numpy(targets[few])].unsqueeze(1),
        whole.shift,
        whole.trained,
        whole.judged,
    )
    solved = fit_exact(weighted, ["plain"], [0.1])
    theirs = LogisticRegression(C=10.0, tol=1e-10, max_iter=10_000, class_weight="balanced")
    length = np.sqrt((features[few].astype(np.float64) ** 2).sum(axis=1).mean())
    theirs.fit(features[few] / length, targets[few])
    found = solved.logits(torch.from_numpy(features)).numpy()
    assert same_scores(found, theirs.decision_function(features / length))


def test_standardising_leaves_words_as_they_are_beside_one_another():
    features, targets = drawn(width=8)
    own = replace(task(features, targets), words=3)
    found = own.turned("standard").scaling.by.numpy()
    of_features = scaled(features[:, :5], "standard", features[:, :5])
    np.testing.assert_allclose(features[:, :5] / found[:5], of_features, rtol=1e-5)
    of_words = np.sqrt((features[:, 5:].astype(float) ** 2).sum(axis=1).mean())
    np.testing.assert_allclose(found[5:], [of_words] * 3)


@pytest.mark.parametrize("weight", [None, "balanced"])
def test_of_several_labels_each_head_is_scikit_learns_of_that_label(weight):
    features, labels = several()
    solved = fit_exact(task_of_several(features, labels, pos_weight=weight), ["plain"], [0.03])
    length = np.sqrt((features.astype(np.float64) ** 2).sum(axis=1).mean())
    found = solved.logits(torch.from_numpy(features)).numpy()
    for label in range(3):
        own = labels[:, label]
        # ours is the mean over labels, and balanced weighs those without a label 1
        ratio = {0: 1.0, 1: (1 - own).sum() / own.sum()} if weight else None
        theirs = LogisticRegression(C=1 / (3 * 0.03), class_weight=ratio, tol=1e-10, max_iter=9999)
        theirs.fit(features.astype(np.float64) / length, own)
        np.testing.assert_allclose(
            found[:, label], theirs.decision_function(features / length), atol=2e-3
        )


def test_of_several_labels_the_mean_of_their_losses_chooses():
    features, labels = several(images=120)
    made = task_of_several(features, labels, folds=4)
    solved = fit_exact(made)
    best = min(solved.tried, key=lambda way: way.loss)
    assert (best.scaling, best.penalty) == (solved.scaling, solved.penalty)
    one = fit_exact(made, [best.scaling], [best.penalty])
    losses = [
        log_loss(labels[held, k], one.logits(made.features, fold).sigmoid()[held, k].numpy())
        for fold, held in enumerate(made.judged)
        if fold
        for k in range(3)
    ]
    assert best.loss == pytest.approx(np.mean(losses), abs=2e-3)


def test_a_label_that_no_image_has_is_solved_too():
    features, labels = several()
    labels[:, 1] = 0
    solved = fit_exact(task_of_several(features, labels, folds=3))
    scores = solved.logits(torch.from_numpy(features)).sigmoid()
    assert solved.weights.isfinite().all()
    assert scores[:, 1].max() < 0.02
    assert scores[labels[:, 0] == 1, 0].mean() > scores[labels[:, 0] == 0, 0].mean() + 0.1
