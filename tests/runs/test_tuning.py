import math

import numpy as np
import torch
from torch.nn import functional

from fieldmark.fit.losses import LOSSES
from fieldmark.fit.plan import Parts, Plan
from fieldmark.runs.tuning import best_share, judged_shares, mean_of, moved


def test_a_mean_is_that_of_every_weight_and_whole_numbers_are_those_after():
    before = {"w": torch.tensor([1.0, 2.0]), "count": torch.tensor(3)}
    after = {"w": torch.tensor([3.0, 0.0]), "count": torch.tensor(7)}
    found = mean_of(before, after, 0.25)
    assert found["w"].tolist() == [1.5, 1.5]
    assert found["count"] == 7
    assert torch.equal(mean_of(before, after, 0.0)["w"], before["w"])
    assert torch.equal(mean_of(before, after, 1.0)["w"], after["w"])


def test_what_changed_is_added_to_another_start():
    start, before = {"w": torch.tensor([5.0])}, {"w": torch.tensor([1.0])}
    assert moved(start, before, {"w": torch.tensor([1.5])})["w"].tolist() == [5.5]


def test_shares_are_judged_by_their_loss_and_told_with_the_monitored_figure():
    targets = np.array([0, 1, 1])
    before, after = np.eye(2, dtype=np.float32)[[0, 0, 1]], np.eye(2, dtype=np.float32)[[1, 1, 1]]

    def judge(share):
        return 4 * ((1 - share) * before + share * after), targets

    loss = LOSSES.build("cross_entropy", {}, np.array([1, 2]))
    parts = Parts([], loss, None, torch.device("cpu"), lambda logits, truth: {"macro_f1": 0.5})
    rows = judged_shares(judge, Plan(epochs=1, seed=0, sign=-1), parts)
    assert [row["share"] for row in rows] == [0, 0.25, 0.5, 0.75, 1]
    assert [row["gain"] for row in rows] == [-0.5] * 5
    for row in rows:
        logits = torch.from_numpy(judge(row["share"])[0])
        wanted = functional.cross_entropy(logits, torch.from_numpy(targets)).item()
        assert math.isclose(row["val_loss"], wanted, rel_tol=1e-6)
    assert best_share(rows) == min(rows, key=lambda row: row["val_loss"])["share"]


def test_of_equal_losses_the_share_nearest_to_the_start_is_taken_and_nan_never():
    rows = [{"share": s, "val_loss": v} for s, v in ((0, math.nan), (0.25, 0.1), (0.5, 0.1))]
    assert best_share(rows) == 0.25
    assert best_share([{"share": 1.0, "val_loss": math.nan}]) == 0.0
