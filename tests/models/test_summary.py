import gc
import weakref
from contextlib import nullcontext

import pytest
import torch
from torch import nn

from fieldmark.models import summary as tested
from fieldmark.models.catalog import outline
from fieldmark.models.own_networks import SmallCnn
from fieldmark.models.resizer import Resized, Resizer
from fieldmark.models.stages import chosen, set_trained
from fieldmark.models.summary import PASSES, layer_times, summarise, text


@pytest.mark.parametrize(
    ("name", "parameters", "multiply_adds"),
    [
        ("resnet18", 11_689_512, 1.814),
        ("mobilenet_v2", 3_504_872, 0.301),
        ("vit_b_32", 88_224_232, 4.409),
    ],
)
def test_known_networks_have_their_known_numbers(name, parameters, multiply_adds):
    summary = summarise(outline(name), 224)
    assert summary.parameters == parameters
    assert summary.multiply_adds / 1e9 == pytest.approx(multiply_adds, abs=5e-4)
    assert summary.megabytes == pytest.approx(parameters * 4 / 1e6)


@pytest.mark.parametrize("name", ["resnet18", "googlenet", "vit_b_32", "swin_t", "squeezenet1_1"])
def test_the_rows_add_up_to_the_totals(name):
    summary = summarise(outline(name), 224)
    assert sum(row.parameters for row in summary.rows) == summary.parameters
    assert sum(row.multiply_adds for row in summary.rows) == summary.multiply_adds
    assert min(row.multiply_adds for row in summary.rows) >= 0


def test_a_row_is_one_module_with_its_own_counts():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 6, 2))
    rows = summarise(network, 8).rows
    assert [(row.type, row.index, row.shape) for row in rows] == [
        ("Sequential", "", (1, 2)),
        ("Conv2d", "1-1", (1, 4, 6, 6)),
        ("ReLU", "1-2", (1, 4, 6, 6)),
        ("Flatten", "1-3", (1, 144)),
        ("Linear", "1-4", (1, 2)),
    ]
    assert [row.parameters for row in rows] == [0, 3 * 4 * 9 + 4, 0, 0, 144 * 2 + 2]
    assert [row.multiply_adds for row in rows] == [0, 6 * 6 * 4 * 3 * 9, 0, 0, 144 * 2]


def test_a_module_that_runs_twice_has_its_parameters_counted_once():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(8, 8)

        def forward(self, images):
            return self.layer(self.layer(images))

    summary = summarise(Twice(), 8)
    assert [row.parameters for row in summary.rows] == [0, 72, 0]
    assert summary.parameters == 72
    assert summary.multiply_adds == 2 * 3 * 8 * 64


def test_attention_is_counted_though_torch_has_a_fast_path_for_it():
    class Attends(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(64, 2, batch_first=True)

        def forward(self, images):
            tokens = images.flatten(2)  # (1, 3, 64): three tokens
            return self.attention(tokens, tokens, tokens, need_weights=False)[0]

    summary = summarise(Attends(), 8)
    projections, products = 4 * 3 * 64 * 64, 2 * 3 * 3 * 64
    assert summary.multiply_adds == projections + products


def test_only_the_head_is_trainable_where_the_rest_is_frozen():
    network = SmallCnn(10)
    set_trained(network, chosen(network, ["head"]))
    summary = summarise(network, 8)
    assert (summary.trainable, summary.parameters) == (1_290, 288_746)


def test_nothing_of_the_network_changes_and_no_random_number_is_drawn():
    network = SmallCnn(10).train()
    network.stage1.eval()
    modes = [module.training for module in network.modules()]
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    before, fast = torch.get_rng_state(), torch.backends.mha.get_fastpath_enabled()
    summarise(network, 8)
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(tensor, state[n]) for n, tensor in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.backends.mha.get_fastpath_enabled() == fast
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())


def test_the_network_is_not_kept_in_memory():
    network = SmallCnn(10)
    gone = weakref.ref(network)
    summarise(network, 8)
    del network
    gc.collect()
    assert gone() is None


def test_nothing_is_printed(capsys):
    summarise(SmallCnn(10), 8)
    assert capsys.readouterr() == ("", "")


def test_the_text_is_aligned_and_nested_and_ends_in_the_totals():
    network = SmallCnn(10)
    set_trained(network, chosen(network, ["head"]))
    lines = text(summarise(network, 8)).splitlines()
    assert "    Conv2d: 2-1        1 x 32 x 8 x 8          864         55,296" in lines
    assert "  Linear: 1-5          1 x 10                1,290          1,280" in lines
    end = lines.index(lines[1], 2)
    table = lines[:end]
    assert len({len(line) for line in table}) == 1
    assert lines[end + 1 : -4] == [
        "stage   parameters  trains it and what follows",
        "stage1      10,208  last:3",
        "stage2      55,552  last:2",
        "stage3     221,696  last:1",
        "head         1,290  head",
        lines[1],
    ]
    assert lines[-4:] == [
        "total parameters:          288,746 (1.2 MB)",
        "trainable parameters:      1,290",
        "non-trainable parameters:  287,456",
        "multiply-adds:             2,415,872 (one image)",
    ]


def test_the_stages_add_up_to_the_parameters():
    summary = summarise(outline("vit_b_32"), 224)
    assert len(summary.stages) == 14
    assert sum(count for _, count in summary.stages) == summary.parameters


def test_a_resizer_is_listed_before_the_stages_that_are_counted():
    network = Resized(Resizer(8), SmallCnn(10))
    lines = text(summarise(network, 16)).splitlines()
    place = next(n for n, line in enumerate(lines) if line.startswith("stage "))
    assert [line.split()[-1] for line in lines[place + 1 : place + 6]] == [
        "resizer",
        "last:3",
        "last:2",
        "last:1",
        "head",
    ]


def test_a_network_without_a_head_has_no_stages():
    summary = summarise(nn.BatchNorm2d(3), 8)
    assert summary.stages == ()
    assert text(summary).splitlines()[-5].startswith("---")


class Working(nn.Module):
    """Takes as many seconds as it is told."""

    def __init__(self, time, seconds):
        super().__init__()
        self.time, self.seconds = time, seconds

    def forward(self, images):
        self.time.now += self.seconds
        return images


class Time:
    now = 0.0


def network(time):
    inner = nn.Sequential(Working(time, 0.5), nn.Dropout())
    return nn.Sequential(Working(time, 0.25), inner, nn.BatchNorm2d(3))


def test_the_slowest_layer_comes_first_with_its_seconds_a_pass(monkeypatch):
    time = Time()
    monkeypatch.setattr(tested, "_now", lambda _: time.now)
    whole, layers = layer_times(network(time), torch.rand(2, 3, 4, 4), nullcontext)
    assert whole == 0.75
    assert [(each.name, each.type, each.seconds) for each in layers] == [
        ("1.0", "Working", 0.5),
        ("0", "Working", 0.25),
        ("1.1", "Dropout", 0.0),
        ("2", "BatchNorm2d", 0.0),
    ]
    assert time.now == 0.75 * (PASSES + 1)


def test_a_slow_network_passes_once_and_a_layer_that_is_used_twice_counts_twice(monkeypatch):
    time = Time()
    monkeypatch.setattr(tested, "_now", lambda _: time.now)
    one = Working(time, 6.0)
    whole, layers = layer_times(nn.Sequential(one, nn.Identity(), one), torch.rand(1), nullcontext)
    assert (whole, time.now) == (12.0, 24.0)
    assert [(each.name, each.seconds) for each in layers] == [("0", 12.0), ("1", 0.0)]


def test_the_network_stays_as_it_is():
    tested_on = network(Time()).train()
    before = {name: value.clone() for name, value in tested_on.state_dict().items()}
    layer_times(tested_on, torch.rand(2, 3, 4, 4), nullcontext)
    assert all(module.training for module in tested_on.modules())
    assert all(torch.equal(value, before[n]) for n, value in tested_on.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in tested_on.modules())


def test_the_time_is_one_that_goes_on():
    assert 0 < tested._now(None) <= tested._now(torch.zeros(1))
