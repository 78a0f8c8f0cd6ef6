"""What is written is what is read, and a file that is damaged or in the way is told."""

import errno
import math
import pickle

import pytest
import torch

from fieldmark.errors import DiskError, RunError
from fieldmark.fit.averages import Ema
from fieldmark.fit.checkpoint import Checkpoints
from fieldmark.fit.state import State


def test_a_tree_of_tensors_and_plain_values_comes_back(tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoint")
    tree = {
        "numbers": {0: {"step": torch.tensor(3.0), "moment": torch.randn(3, 4)}, 1: {}},
        "list": [1, 2.5, None, True, "text", [torch.arange(3)]],
        "nan": math.nan,
        "tenth": 0.1,
        "shared": [torch.ones(2)] * 2,
        "half": torch.ones(3, dtype=torch.bfloat16),
        "best_epoch": None,
    }
    checkpoints.write(tree)
    back = checkpoints.read()
    assert back["numbers"][0]["step"] == 3
    assert torch.equal(back["numbers"][0]["moment"], tree["numbers"][0]["moment"])
    assert back["numbers"][1] == {}
    assert back["list"][:5] == tree["list"][:5]
    assert torch.equal(back["list"][5][0], torch.arange(3))
    assert math.isnan(back["nan"])
    assert back["tenth"] == 0.1
    assert torch.equal(back["half"], tree["half"])


def test_there_is_no_checkpoint_at_first(tmp_path):
    assert Checkpoints(tmp_path / "checkpoint").read() is None


def test_only_the_best_epoch_stays(tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoint")
    for epoch in (1, 2, 3):
        checkpoints.write_best(epoch, {"w": torch.full((2,), float(epoch))})
    checkpoints.write({"best_epoch": 2})
    names = sorted(path.name for path in (tmp_path / "checkpoint").iterdir())
    assert names == ["best-00002.safetensors", "state.safetensors"]
    assert checkpoints.read_best(2)["w"].tolist() == [2.0, 2.0]
    with pytest.raises(RunError, match=r"best-00003.safetensors: cannot be read"):
        checkpoints.read_best(3)


def test_a_pickle_in_its_place_is_not_run(tmp_path):
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    (folder / "state.safetensors").write_bytes(pickle.dumps(_Trap()))
    with pytest.raises(RunError, match="is damaged; delete"):
        Checkpoints(folder).read()


class _Trap:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was run",))


def test_a_full_disk_is_told_in_a_sentence(tmp_path, monkeypatch):
    def no_room(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("fieldmark.fit.checkpoint.save_file", no_room)
    checkpoints = Checkpoints(tmp_path / "checkpoint")
    with pytest.raises(DiskError, match="the disk is full; free some space and try again"):
        checkpoints.write({"best_epoch": None})
    assert list((tmp_path / "checkpoint").iterdir()) == []


@pytest.mark.parametrize("name", ["AdamW", "SGD", "RMSprop"])
def test_state_restores_every_part_and_its_layout(tmp_path, name):
    state, other = _state(name, seed=0), _state(name, seed=1)
    for _ in range(3):
        _step(state)
    checkpoints = Checkpoints(tmp_path / "checkpoint")
    checkpoints.write(state.tree())
    other.restore(checkpoints.read())
    for _ in range(3):
        _step(state)
        _step(other)
    for one, two in ((state.model, other.model), (state.ema.model, other.ema.model)):
        pairs = zip(one.state_dict().values(), two.state_dict().values(), strict=True)
        assert all(torch.equal(mine, theirs) for mine, theirs in pairs)
    moments = [
        value.stride()
        for kept in (state.optimizer.state, other.optimizer.state)
        for values in kept.values()
        for value in values.values()
        if isinstance(value, torch.Tensor) and value.dim() == 4
    ]
    assert len(set(moments[: len(moments) // 2])) == len(set(moments))


def test_a_checkpoint_that_has_the_monitored_figures_by_their_old_name_is_read():
    state, other = _state("SGD", seed=0), _state("SGD", seed=0)
    state.monitored = [0.5, 0.75]
    tree = state.tree()
    tree["gains"] = tree.pop("monitored")
    other.restore(tree)
    assert other.monitored == [0.5, 0.75]


def _state(name, seed):
    torch.manual_seed(seed)
    layers = (torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten())
    model = torch.nn.Sequential(*layers).to(memory_format=torch.channels_last)
    optimizer = (
        getattr(torch.optim, name)(model.parameters(), lr=0.1, momentum=0.9)
        if (name == "SGD")
        else getattr(torch.optim, name)(model.parameters(), lr=0.1)
    )
    return State(model, optimizer, ema=Ema(model, 0.9))


def _step(state):
    images = torch.randn(2, 3, 5, 5, generator=torch.Generator().manual_seed(5))
    state.optimizer.zero_grad()
    logits = state.model(images.to(memory_format=torch.channels_last))
    logits.square().sum().backward()
    state.optimizer.step()
    state.ema.update(state.model)
