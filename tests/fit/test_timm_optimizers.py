"""timm's optimisers: found by name, with their options, learning, and going on exactly."""

import pytest
import torch
import yaml

from fieldmark.fit import timm_optimizers
from fieldmark.fit.checkpoint import Checkpoints
from fieldmark.fit.optimizers import OPTIMIZERS
from fieldmark.fit.state import State

FEW = ["timm/adafactorbv", "timm/lamb", "timm/muon", "timm/sgdp"]  # each keeps something special


def taken():
    return [
        name
        for bare in timm_optimizers.names()
        if timm_optimizers.refusal(name := f"timm/{bare}") is None
    ]


def defaults(name):
    return {option: p.default for option, p in OPTIMIZERS[name].options().items()}


def test_a_name_of_our_own_needs_no_timm(monkeypatch):
    monkeypatch.setattr(timm_optimizers, "_timm", lambda: pytest.fail("timm was asked"))
    assert OPTIMIZERS.read("adamw", {"lr": "0.1"}) == ({"lr": 0.1}, [])
    assert "adamax" not in OPTIMIZERS
    assert "timm/adamw" not in list(OPTIMIZERS)
    OPTIMIZERS.build("lion", {}, [torch.nn.Parameter(torch.zeros(1))])


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("timm/adamww", "timm has no optimizer 'adamww'; did you mean 'timm/adamw'?"),
        ("timm/AdamW", "timm has no optimizer 'AdamW'; did you mean 'timm/adamw'?"),
        ("timm/xyz", "timm has no optimizer 'xyz'; there is timm/adamw, for one"),
        (
            "timm/adahessian",
            "'timm/adahessian' needs second derivatives, which training here does not compute; "
            "take another, such as timm/adamw",
        ),
        (
            "timm/kron",
            "'timm/kron' draws from a generator of its own, so that a run could not go on "
            "exactly; take another, such as timm/adamw",
        ),
        (
            "timm/bnbadam8bit",
            "'timm/bnbadam8bit' is of the package bitsandbytes, not timm's own; take another, "
            "such as timm/adamw",
        ),
    ],
)
def test_a_name_that_cannot_be_had_is_told_in_a_sentence(name, sentence):
    _, mistakes = OPTIMIZERS.read(name, {})
    assert [mistake.what for mistake in mistakes] == [sentence]
    assert name not in OPTIMIZERS


def test_an_optimizer_of_timm_has_a_printable_row():
    assert OPTIMIZERS["timm/muon"].about.startswith("MomentUm Orthogonalized by Newton-schulz")
    assert defaults("timm/sgd") == {
        "lr": 0.05,
        "momentum": 0.9,
        "dampening": 0.0,
        "weight_decay": 0.0,
        "nesterov": True,
    }


def test_options_of_timm_are_read_from_text_and_misspelt_ones_are_told():
    given = {"betas": "[0.8, 0.9]", "amsgrad": "true", "clipping_threshold": "1.5"}
    found = {"betas": (0.8, 0.9), "amsgrad": True, "clipping_threshold": 1.5}
    assert OPTIMIZERS.read("timm/adamwlegacy", given) == (found, [])
    _, mistakes = OPTIMIZERS.read("timm/muon", {"lr": "-1", "momentun": "0.3", "foreach": "true"})
    assert [str(mistake) for mistake in mistakes] == [
        "lr: must be more than 0, not -1",
        "momentun: the optimizer 'timm/muon' takes no such option; did you mean 'momentum'?",
        "foreach: the optimizer 'timm/muon' takes no such option; it takes "
        "'lr', 'weight_decay', 'momentum', 'nesterov', 'ns_steps', 'ns_coefficients', 'eps', "
        "'safety_factor' and 7 more",
    ]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("timm/sgd", {"momentum": 0.0, "nesterov": True}),  # refused when it is made
        ("timm/muon", {"ns_coefficients": "cubic"}),  # refused at its first step
        ("timm/muon", {"adjust_lr_fn": "none"}),  # and that by an AssertionError
    ],
)
def test_what_timm_refuses_is_a_value_error_before_training(name, options):
    with pytest.raises(ValueError, match=r"Nesterov|coefficients|scaling"):
        OPTIMIZERS.build(name, options, network().parameters())


@pytest.mark.parametrize("name", FEW)
def test_a_few_of_timm_learn_and_go_on_exactly(name, tmp_path):
    assert learns_and_goes_on(name, tmp_path)


@pytest.mark.slow
def test_all_others_of_timm_learn_and_go_on_exactly_too(tmp_path):
    names = taken()
    assert len(names) > 70
    assert [name for name in names if not learns_and_goes_on(name, tmp_path / name)] == []


def learns_and_goes_on(name, folder):
    """Whether twenty steps, of which ten are done again from a checkpoint, come to the same."""
    folder.mkdir(parents=True, exist_ok=True)
    options = defaults(name)
    texts = yaml.safe_load(yaml.safe_dump({k: str(_listed(v)) for k, v in options.items()}))
    assert OPTIMIZERS.read(name, texts) == (options, [])
    whole, gone_on, checkpoints = begun(name), begun(name), Checkpoints(folder / "checkpoint")
    losses = [one_step(whole, step) for step in range(10)]
    checkpoints.write(whole.tree())
    losses += [one_step(whole, step) for step in range(10, 20)]
    assert losses[-1] < losses[0]
    gone_on.restore(checkpoints.read())
    again = [one_step(gone_on, step) for step in range(10, 20)]
    pairs = zip(whole.model.parameters(), gone_on.model.parameters(), strict=True)
    return again == losses[10:] and all(torch.equal(one, other) for one, other in pairs)


def _listed(value):
    return list(value) if isinstance(value, tuple) else value


def network():
    torch.manual_seed(0)
    layers = (torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.BatchNorm2d(4), torch.nn.Flatten())
    return torch.nn.Sequential(*layers, torch.nn.Linear(64, 3)).to(
        memory_format=torch.channels_last
    )


def begun(name):
    model = network()
    return State(model, OPTIMIZERS.build(name, defaults(name), model.parameters()))


def one_step(state, step):
    """A step at a rate that moves, as a schedule moves it. -> the loss before it"""
    draw = torch.Generator().manual_seed(1)
    images = torch.randn(32, 3, 4, 4, generator=draw).to(memory_format=torch.channels_last)
    loss = torch.nn.functional.cross_entropy(state.model(images), torch.arange(32) % 3)
    state.optimizer.zero_grad()
    loss.backward()
    for group in state.optimizer.param_groups:
        group["lr"] = group.setdefault("base_lr", group["lr"]) * (1 - step / 40)
    state.optimizer.step()
    return loss.item()
