"""A bundle as others read it: the same logits in the library's own network."""

from dataclasses import replace

import pytest
import torch
from torchvision.models import mobilenet_v2, resnet18

from fieldmark.errors import RunError, SettingsError
from fieldmark.export.pth import export
from fieldmark.models import bundle
from fieldmark.models.assemble import Design, assemble
from fieldmark.models.bundle_info import BundleInfo
from fieldmark.models.catalog import MODELS
from fieldmark.records import InputSpec

SPEC = InputSpec("square:64", 64)


def made(folder, name="resnet18", **about):
    torch.manual_seed(0)
    network = MODELS.build(name, {}, 3)
    folder.mkdir()
    bundle.save(folder, network.state_dict(), BundleInfo(name, ("a", "b", "c"), SPEC, **about))
    return folder


@pytest.mark.parametrize(
    ("name", "build"), [("resnet18", resnet18), ("mobilenet_v2", mobilenet_v2)]
)
def test_torchvisions_own_network_takes_the_file_and_gives_the_same_logits(tmp_path, name, build):
    folder = made(tmp_path / "run", name)
    told = export(folder, "pth", None)
    assert told.startswith(f"{folder / 'model.pth'}: {name}, 3 classes, ")
    network = build(num_classes=3)
    network.load_state_dict(torch.load(folder / "model.pth", weights_only=True), strict=True)
    images = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        wanted = bundle.load(folder)[0].network(images)
        assert torch.equal(network.eval()(images), wanted)


def test_what_the_library_has_not_is_named(tmp_path):
    network = assemble(Design("resnet18", {}, "linear", {"length": True}, pool="mean+max"), 3)
    info = BundleInfo("resnet18", ("a", "b", "c"), SPEC, head_options={"length": True})
    bundle.save(tmp_path, network.state_dict(), replace(info, pool="mean+max"))
    with pytest.raises(RunError) as told:
        export(tmp_path, "pth", None)
    assert str(told.value) == (
        f"{tmp_path}: has the head 'linear' with length=true and head.pool=mean+max, which "
        "'resnet18' of its library has not, so that no plain state dict is the whole of it; train "
        "with head.name=linear, head.pool=mean and features.scalings='[plain, standard]'"
    )


def test_a_file_that_is_there_stays_and_a_format_that_is_not_is_told(tmp_path):
    folder = made(tmp_path / "run")
    (folder / "model.pth").write_text("mine")
    with pytest.raises(RunError, match="exists already; choose another --out, or add --overwrite"):
        export(folder, "pth", None)
    assert (folder / "model.pth").read_text() == "mine"
    export(folder, "pth", None, overwrite=True)
    with pytest.raises(SettingsError, match="there is no format 'h5'; there is 'pth'"):
        export(folder, "h5", None)
