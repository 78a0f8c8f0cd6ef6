"""Boosted trees as a part of a network: their splits and leaves are tensors, like any weights."""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor, nn

DEFAULT_LEFT = 2  # LightGBM's word for a split by a number, of which none is missing


class Trees(nn.Module):
    """The sum of so many trees a class, and a bias: (N, features) -> (N, classes) float32.

    A tree of L leaves has L - 1 nodes, of which the first is its root: an image whose `feature`
    is at most the `threshold` goes on at `left`, else at `right`. There a number of 0 or more is
    a node, and one below is a leaf, counted from -1 down. A tree with fewer leaves leaves places
    empty. A new one is zero, as a new last layer is.
    """

    feature: Tensor  # (C, T, L - 1) int32; so are left and right
    threshold: Tensor  # (C, T, L - 1) float32
    left: Tensor
    right: Tensor

    def __init__(self, features: int, classes: int, *, trees: int, leaves: int):
        super().__init__()
        self.features, self.leaves = features, leaves
        nodes = (classes, trees, leaves - 1)
        for name in ("feature", "left", "right"):
            empty = 0 if name == "feature" else -1
            self.register_buffer(name, torch.full(nodes, empty, dtype=torch.int32))
        self.register_buffer("threshold", torch.zeros(nodes))
        self.value = nn.Parameter(torch.zeros(classes, trees, leaves))
        self.bias = nn.Parameter(torch.zeros(classes))

    def forward(self, features: Tensor) -> Tensor:
        """(N, features) -> (N, classes)"""
        with torch.autocast(features.device.type, enabled=False):
            sums = [own.sum(dim=1) for own in self.by_tree(features)]
            return torch.stack(sums, dim=1) + self.bias

    def by_tree(self, features: Tensor) -> Iterator[Tensor]:
        """What each tree gives, class after class. (N, features) -> (N, T) each"""
        features = features.to(self.value.dtype)
        for parts in zip(
            self.feature, self.threshold, self.left, self.right, self.value, strict=True
        ):
            feature, threshold, left, right, value = parts
            tree = torch.arange(len(value), device=value.device)
            # of the images' own shape, so that an exported graph takes any number of them
            at = torch.zeros_like(features[:, :1], dtype=torch.int64).expand(-1, len(value))
            for _ in range(self.leaves - 1):  # as deep as a tree can be
                node = at.clamp(min=0)
                low = features.gather(1, feature[tree, node].long()) <= threshold[tree, node]
                step = torch.where(low, left[tree, node], right[tree, node]).long()
                at = torch.where(at < 0, at, step)
            yield value[tree, -1 - at]

    def text(self) -> str:
        """The trees in LightGBM's own text format, version 4; its raw scores are the logits.

        `lightgbm.Booster(model_str=...)` reads it. The bias is added to each class's first tree.
        """
        classes, trees, _ = self.value.shape
        value = self.value.detach().double().clone()
        value[:, 0] += self.bias.detach().double().unsqueeze(1)
        names = [f"feature_{number}" for number in range(self.features)]
        lines = [
            *("tree", "version=v4", f"num_class={classes}", f"num_tree_per_iteration={classes}"),
            *("label_index=0", f"max_feature_idx={self.features - 1}", "objective=none"),
            f"feature_names={' '.join(names)}",
            f"feature_infos={' '.join(['none'] * len(names))}",
            "",
        ]
        for number in range(trees * classes):
            lines += self._lines(number, value)
        return "\n".join([*lines, "end of trees", ""])

    def _lines(self, number: int, value: Tensor) -> list[str]:
        place = number % len(value), number // len(value)
        parts = {
            "split_feature": self.feature[place],
            "threshold": self.threshold[place].double(),
            "decision_type": torch.full_like(self.left[place], DEFAULT_LEFT),
            "left_child": self.left[place],
            "right_child": self.right[place],
            "leaf_value": value[place],
        }
        rows = [f"{name}={' '.join(map(repr, part.tolist()))}" for name, part in parts.items()]
        return [
            f"Tree={number}",
            f"num_leaves={self.leaves}",
            "num_cat=0",
            *rows,
            "shrinkage=1",
            "",
        ]


def trees_of(text: str, bias: Tensor, *, features: int, trees: int, leaves: int) -> Trees:
    """The module of what LightGBM's text says, whose trees are by rounds, a class each in turn.

    A threshold becomes the greatest float32 that is not above it, so that float32 features go
    where they go in LightGBM. bias: (C,). Trees that are not there stay zero.
    """
    classes = len(bias)
    made = Trees(features, classes, trees=trees, leaves=leaves)
    with torch.no_grad():
        made.bias.copy_(bias)
        for number, part in enumerate(text.split("\nTree=")[1 : 1 + trees * classes]):
            _fill(made, (number % classes, number // classes), _read(part))
    return made


def _read(part: str) -> Mapping[str, np.ndarray]:
    """The rows of numbers of one tree's text, by name."""
    rows = (line.partition("=") for line in part.split("\n\n")[0].splitlines() if "=" in line)
    return {name: np.array(words.split(), np.float64) for name, _, words in rows}


def _fill(made: Trees, place: tuple[int, int], tree: Mapping[str, np.ndarray]) -> None:
    """Put one tree's numbers in its place."""
    value = tree["leaf_value"]
    made.value[place][: len(value)] = torch.from_numpy(value)
    if len(value) == 1:
        return
    rows = {"feature": "split_feature", "left": "left_child", "right": "right_child"}
    for own, theirs in rows.items():
        getattr(made, own)[place][: len(value) - 1] = torch.from_numpy(tree[theirs])
    below = tree["threshold"].astype(np.float32)
    above = below > tree["threshold"]
    below[above] = np.nextafter(below[above], np.float32(-np.inf))
    made.threshold[place][: len(value) - 1] = torch.from_numpy(below)
