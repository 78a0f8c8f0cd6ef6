import subprocess
import sys

import pytest

from fieldmark.cli.main import run as fieldmark
from fieldmark.cli.models import print_rows, print_summary
from fieldmark.errors import SettingsError


def test_the_list_says_what_each_network_costs_and_where_it_comes_from(capsys):
    print_rows("mobilenet_v2")
    head, line, closing = capsys.readouterr().out.splitlines()
    assert head.split() == ["name", "parameters", "MB", "GMACs", "year", "about", "(paper)"]
    assert line.split()[:5] == ["mobilenet_v2", "3,504,872", "14.0", "0.30", "2018"]
    assert line.endswith("; the full width (Sandler et al., arXiv:1801.04381)")
    assert closing == "any network of timm, too, as timm/NAME: `fieldmark models timm/PART` lists"


def test_the_list_needs_neither_torch_nor_timm():
    code = (
        "import sys; from fieldmark.cli.models import print_rows; print_rows('');"
        "assert not {'torch', 'timm', 'torchvision'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


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
