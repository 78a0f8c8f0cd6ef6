from fieldmark.metrics_json import About, Budget, Figures, Metrics
from fieldmark.report.budget_words import budget_lines

FIGURES = Figures(
    n=200,
    values={"accuracy": 0.87, "ece": 0.06, "mcc": 0.8, "roc_auc": None},
    intervals={"accuracy": (0.84, 0.9), "ece": (0.02, 0.08)},
)


def lines(*budgets, cut=None):
    about = About(budgets=budgets, cut=cut)
    return budget_lines(Metrics(sides={"test": FIGURES, "val": FIGURES}, about=about))


def test_without_budgets_nothing_is_said():
    assert lines() == []


def test_a_target_is_told_with_its_interval_and_on_which_side_of_it_that_lies():
    assert lines(
        Budget("accuracy", 0.85, True, 0.87, "test"),
        Budget("accuracy", 0.8, True, 0.87, "test"),
        Budget("accuracy", 0.89, False, 0.87, "test"),
        Budget("accuracy", 0.95, False, 0.87, "test"),
        Budget("ece", 0.07, True, 0.06, "test"),
        Budget("ece", 0.05, False, 0.06, "test"),
        Budget("mcc", 0.5, True, 0.8, "val"),
        Budget("roc_auc", 0.9, False, None, "test"),
    ) == [
        "budgets",
        "  accuracy             met      0.8700 on the test (0.8400 to 0.9000); "
        "asked for: at least 0.85; the interval reaches below that",
        "  accuracy             met      0.8700 on the test (0.8400 to 0.9000); "
        "asked for: at least 0.8",
        "  accuracy             missed   0.8700 on the test (0.8400 to 0.9000); "
        "asked for: at least 0.89; the interval reaches above that",
        "  accuracy             missed   0.8700 on the test (0.8400 to 0.9000); "
        "asked for: at least 0.95",
        "  calibration error    met      0.0600 on the test (0.0200 to 0.0800); "
        "asked for: at most 0.07; the interval reaches above that",
        "  calibration error    missed   0.0600 on the test (0.0200 to 0.0800); "
        "asked for: at most 0.05; the interval reaches below that",
        "  Matthews correlation met      0.8000 on validation, for there is no test; "
        "asked for: at least 0.5",
        "  ROC-AUC              missed   not defined for these images; asked for: at least 0.9",
    ]


def test_size_and_hours_are_told():
    hours = {"reached": 0.5, "wall_hours": 0.25}
    assert lines(
        Budget("max_size_mb", 100, True, 13.015),
        Budget("max_hours", 1, True, **hours),
        Budget("max_hours", 0.4, False, **hours),
    )[1:] == [
        "  size               met      13.02 MiB of weights; asked for: at most 100",
        "  hours              met      0.5 device hours, 15 min on the wall; asked for: at most 1",
        "  hours              missed   0.5 device hours, 15 min on the wall; "
        "asked for: at most 0.4; neither a head on features nor what follows training is cut",
    ]
    assert lines(Budget("max_hours", 0.4, False, **hours), cut=True)[1:] == [
        "  hours              missed   0.5 device hours, 15 min on the wall; "
        "asked for: at most 0.4, which ended the training"
    ]
