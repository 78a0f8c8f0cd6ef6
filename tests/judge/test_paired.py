import math
from itertools import product

import numpy as np
import pytest

from fieldmark.judge.evidence import Evidence
from fieldmark.judge.exchange import TwoModels
from fieldmark.judge.metrics import of_task, overall
from fieldmark.judge.paired import differences, mcnemar, paired_metrics, tango

NOT_PAIRED = ("ece",)


def evidence(targets, wrong, classes=2):
    """Sure guesses, wrong (as the next class) at the images `wrong`."""
    targets = np.asarray(targets)
    guesses = targets.copy()
    guesses[list(wrong)] = (guesses[list(wrong)] + 1) % classes
    return Evidence.of(np.where(np.eye(classes)[guesses] > 0, 2.0, -2.0), targets)


def noisy(n=150, classes=3, *, ahead=0.0, seed=0):
    """Two classifiers with errors in common, the second ahead."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(classes, size=n)
    common = rng.normal(size=(n, classes))
    found = []
    for more in (0.0, ahead):
        logits = common + rng.normal(size=(n, classes))
        logits[np.arange(n), targets] += 2 + more
        found.append(Evidence.of(logits.astype(np.float32), targets))
    return found


def test_every_figure_is_the_second_less_the_first():
    first, second = noisy(ahead=0.4)
    one, two, found = overall(first), overall(second), differences(first, second)
    assert list(found) == list(paired_metrics()) == [n for n in of_task() if n not in NOT_PAIRED]
    for name, difference in found.items():
        if name == "top5_accuracy":  # with three classes there is nothing to miss
            assert math.isnan(difference.value)
            continue
        assert difference.value == pytest.approx(two[name] - one[name])
        assert difference.low <= difference.value <= difference.high


def test_accuracy_has_tangos_interval():
    targets = np.zeros(100, int) + np.arange(100) % 2
    found = differences(evidence(targets, range(12)), evidence(targets, range(10, 14)))["accuracy"]
    assert (found.low, found.high) == pytest.approx(tango(10, 2, 100))
    assert found.value == pytest.approx(0.08)
    assert found.is_clear


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "macro_f1", "mcc"])
@pytest.mark.parametrize(("lost", "clear"), [(3, False), (5, False), (6, True), (9, True)])
def test_few_images_that_differ_are_clear_where_mcnemar_says_so(metric, lost, clear):
    targets = np.arange(200) % 2
    found = differences(evidence(targets, ()), evidence(targets, range(lost)), draws=2000)[metric]
    assert found.is_clear == clear
    if clear:
        assert found.high < 0


def test_intervals_agree_with_a_bootstrap_by_brute_force():
    first, second = noisy(300, ahead=0.5)
    rng, drawn = np.random.default_rng(9), []
    for _ in range(600):
        rows = rng.integers(300, size=300)
        one, two = (
            overall(Evidence.of(np.log(each.scores[rows]), each.targets[rows]))
            for each in (first, second)
        )
        drawn.append([two[name] - one[name] for name in paired_metrics()])
    found = differences(first, second)
    for name, values in zip(paired_metrics(), np.transpose(drawn), strict=True):
        if name != "top5_accuracy":
            low, high = np.percentile(values, [2.5, 97.5])
            bounds = (found[name].low, found[name].high)
            assert bounds == pytest.approx((low, high), abs=0.14 * (high - low)), name
            assert found[name].spread / math.sqrt(300) == pytest.approx(np.std(values), rel=0.12)


def test_the_other_way_round_signs_turn():
    first, second = noisy(ahead=0.4)
    there, back = differences(first, second), differences(second, first)
    for name in ("accuracy", "log_loss"):
        assert there[name].value == pytest.approx(-back[name].value)
        assert there[name].low == pytest.approx(-back[name].high, rel=0.15)


def test_the_order_of_the_images_does_not_matter_to_accuracy():
    first, second = noisy()
    turned = [
        Evidence.of(np.log(each.scores[::-1]), each.targets[::-1]) for each in (first, second)
    ]
    there, back = differences(first, second)["accuracy"], differences(*turned)["accuracy"]
    assert (there.low, there.high) == (back.low, back.high)


def test_the_same_seed_gives_the_same_intervals():
    first, second = noisy()
    assert str(differences(first, second, seed=3)) == str(differences(first, second, seed=3))
    assert str(differences(first, second, seed=3)) != str(differences(first, second, seed=4))


def test_a_run_against_itself_is_never_clear_and_not_certain():
    first, _ = noisy()
    for name, found in differences(first, first).items():
        if name != "top5_accuracy":
            assert found.value == 0
            assert not found.is_clear
            assert found.chance == 1
        if name not in ("top5_accuracy", "log_loss"):
            assert found.low < 0 < found.high, name


def test_equal_classifiers_are_seldom_called_different():
    names = ("accuracy", "macro_f1", "roc_auc", "mean_average_precision", "log_loss")
    called = dict.fromkeys(names, 0)
    for seed in range(100):
        found = differences(*noisy(60, 2, seed=seed), draws=100)
        for name in called:
            called[name] += found[name].is_clear
    assert max(called.values()) <= 9  # of 100, where 5 are expected at the most
    assert sum(called.values()) > 0


def test_average_precision_is_clear_where_the_second_is_far_ahead_and_not_of_one_group():
    first, second = noisy(ahead=2.0)
    name, halves = "mean_average_precision", np.arange(150) % 4
    alone, grouped = (differences(first, second, groups=g)[name] for g in (None, halves))
    assert alone.is_clear
    assert alone.low > 0.1
    assert alone.chance < 0.01
    assert not grouped.is_clear  # of four groups one of eight exchanges gives as much


def test_average_precision_is_as_likely_as_all_exchanges_say_also_where_scores_are_equal():
    targets, rng = np.arange(10) % 2, np.random.default_rng(31)
    sides = rng.integers(-1, 2, size=(2, 10)).astype(np.float32)
    first, second = (Evidence.of(np.stack([x, -x], axis=1), targets) for x in sides)
    shares = TwoModels(first, second).areas["average_precision"].shares
    every = 1 - 2 * (np.arange(1024)[:, None] >> np.arange(10) & 1)
    wanted = (np.abs(every @ shares) > abs(shares.sum()) - 1e-9).mean()
    found = differences(first, second, draws=4000)["mean_average_precision"]
    assert abs(found.value) < 0.9 * abs(shares.sum())  # equal scores: the shares are not exact
    assert found.chance == pytest.approx(wanted, abs=0.02)


def test_groups_count_as_one_each():
    targets = np.arange(200) % 2
    first, second = evidence(targets, range(20)), evidence(targets, ())
    groups = np.arange(200) // 20  # all that differs is in one group
    alone, grouped = (differences(first, second, groups=g) for g in (None, groups))
    for name in ("accuracy", "balanced_accuracy", "macro_f1", "log_loss"):
        assert alone[name].is_clear
        assert not grouped[name].is_clear
        assert grouped[name].units == 10
        assert grouped[name].high - grouped[name].low > alone[name].high - alone[name].low


def test_five_groups_are_too_few_to_tell_anything():
    targets = np.arange(200) % 2
    found = differences(
        evidence(targets, range(0, 200, 3)), evidence(targets, ()), groups=np.arange(200) // 40
    )
    assert not any(difference.is_clear for difference in found.values())


def test_a_class_without_images_is_left_out():
    targets = np.arange(100) % 2
    found = differences(evidence(targets, range(9), 3), evidence(targets, range(3), 3))
    assert found["balanced_accuracy"].value == pytest.approx(0.06)
    assert found["balanced_accuracy"].low < 0.06 < found["balanced_accuracy"].high


def test_one_class_has_no_area_and_the_others_have_intervals():
    found = differences(evidence([0] * 30, range(9)), evidence([0] * 30, range(3)))
    assert math.isnan(found["roc_auc"].low)
    assert not found["roc_auc"].is_clear
    assert found["accuracy"].value == pytest.approx(0.2)


def test_logits_that_are_nan_have_no_log_loss_and_count_as_wrong():
    targets = np.arange(40) % 2
    logits = np.where(np.eye(2)[targets] > 0, 2.0, -2.0)
    broken = logits.copy()
    broken[:12] = np.nan
    found = differences(Evidence.of(logits, targets), Evidence.of(broken, targets))
    assert found["accuracy"].value == pytest.approx(-0.3)
    assert found["accuracy"].is_clear
    for name in ("log_loss", "roc_auc", "mean_average_precision"):
        assert math.isnan(found[name].value)
        assert math.isnan(found[name].needed(0.01))


def test_one_image_tells_nothing():
    found = differences(evidence([0], [0]), evidence([0], ()))
    assert found["accuracy"].value == 1
    assert not any(difference.is_clear for difference in found.values())


def test_no_images_have_no_differences():
    none = Evidence.of(np.zeros((0, 2), np.float32), np.zeros(0, int))
    assert all(math.isnan(difference.value) for difference in differences(none, none).values())


def test_images_in_another_order_are_refused():
    first, second = noisy()
    other = Evidence.of(np.log(second.scores[::-1]), second.targets[::-1])
    with pytest.raises(ValueError, match="align them first"):
        differences(first, other)


def test_needed_is_the_size_of_a_sample_with_a_power_of_80_percent():
    targets = np.arange(100) % 2
    found = differences(evidence(targets, range(12)), evidence(targets, range(8, 14)))["accuracy"]
    variance = (8 + 2) / 100 - 0.06**2
    wanted = (1.959964 + 0.841621) ** 2 * variance / 0.01**2
    assert found.needed(0.01) == pytest.approx(wanted, rel=1e-6)
    assert math.isnan(found.needed(0))


def test_with_as_many_images_as_needed_four_of_five_see_the_difference():
    rng, seen = np.random.default_rng(1), 0
    gained, lost = 0.10, 0.05
    needed = round((1.959964 + 0.841621) ** 2 * (gained + lost - 0.05**2) / 0.05**2)
    for _ in range(400):
        more, fewer, _ = rng.multinomial(needed, [gained, lost, 1 - gained - lost])
        seen += tango(int(more), int(fewer), needed)[0] > 0
    assert 0.75 < seen / 400 < 0.86


def test_where_no_answer_differs_a_share_needs_what_so_many_answers_need():
    first, _ = noisy()
    found = differences(first, first)
    # a difference of 1 point means that at least 1 of 100 images is answered differently
    assert found["accuracy"].needed(0.01) == pytest.approx(7.849 * 0.0099 / 0.0001, rel=1e-3)
    assert math.isnan(found["log_loss"].needed(0.01))


def test_tango_agrees_with_a_published_example():
    # Airway hyper-responsiveness before and after a transplantation, 1, 1, 7, 12 of 21 children:
    # M. W. Fagerland, S. Lydersen, P. Laake, Statistics in Medicine 33, 2014, table V.
    assert tango(1, 7, 21) == pytest.approx((-0.517, -0.026), abs=0.0005)


@pytest.mark.parametrize("images", [1, 10, 200])
def test_images_that_are_all_alike_for_both_leave_what_tango_says_in_closed_form(images):
    square = 1.959963984540054**2
    width = square / (images + square)
    assert tango(0, 0, images) == pytest.approx((-width, width), abs=1e-12)


@pytest.mark.parametrize(("gained", "lost", "images"), [(3, 1, 20), (12, 5, 40), (0, 6, 30)])
def test_tango_bounds_are_where_the_likeliest_table_lies_the_quantile_away(gained, lost, images):
    for bound in tango(gained, lost, images):
        # the likeliest share lost, given the difference, by trying very many
        shares = np.linspace(max(0, -bound), (1 - bound) / 2, 400_001)[1:-1]
        chances = (gained, shares + bound), (lost, shares)
        likelihood = (images - gained - lost) * np.log(1 - 2 * shares - bound)
        with np.errstate(divide="ignore"):
            likelihood += sum(n * np.log(share) for n, share in chances if n)
        share = shares[likelihood.argmax()]
        deviation = math.sqrt(images * (2 * share + bound - bound**2))
        apart = abs(gained - lost - images * bound)
        assert apart / deviation == pytest.approx(1.95996, abs=1e-3)


def test_the_other_way_round_tango_turns_its_sign():
    low, high = tango(9, 4, 120)
    assert tango(4, 9, 120) == pytest.approx((-high, -low), abs=1e-12)
    assert low < 5 / 120 < high


def test_tango_stays_within_minus_one_and_one():
    low, high = tango(5, 0, 5)
    assert -1 < low < 1
    assert high == 1
    assert tango(0, 0, 0) == (-1, 1)


@pytest.mark.parametrize(("gained", "lost"), [(0.05, 0.05), (0.1, 0.02), (0.15, 0.15)])
def test_tango_holds_the_truth_in_about_95_of_100_cases(gained, lost):
    images = 80
    log_choose = [math.lgamma(images + 1) - math.lgamma(k + 1) for k in range(images + 1)]
    held = total = 0.0
    for more, fewer in product(range(31), repeat=2):
        same = images - more - fewer
        chance = math.exp(
            log_choose[more]
            - math.lgamma(fewer + 1)
            - math.lgamma(same + 1)
            + more * math.log(gained)
            + fewer * math.log(lost)
            + same * math.log(1 - gained - lost)
        )
        if chance < 1e-7:
            continue
        low, high = tango(more, fewer, images)
        total += chance
        held += chance * (low <= gained - lost <= high)
    assert total > 0.999
    assert 0.93 < held < 0.97


@pytest.mark.parametrize(
    ("gained", "lost", "chance"), [(0, 0, 1), (5, 0, 2 / 32), (6, 0, 2 / 64), (1, 3, 10 / 16)]
)
def test_mcnemar_counts_how_coins_may_fall(gained, lost, chance):
    assert mcnemar(gained, lost) == pytest.approx(chance)
    assert mcnemar(lost, gained) == pytest.approx(chance)


def test_mcnemar_of_as_many_on_both_sides_is_certain():
    assert mcnemar(7, 7) == 1


def test_mcnemar_of_many_images_is_that_of_the_normal_distribution():
    apart = (5_100 - 4_900 - 1) / math.sqrt(10_000)
    assert mcnemar(5_100, 4_900) == pytest.approx(math.erfc(apart / math.sqrt(2)), rel=1e-3)
