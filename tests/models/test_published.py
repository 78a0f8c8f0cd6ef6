import hashlib
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import huggingface_hub
import pytest
import timm
import torch
from safetensors.torch import save
from timm.data import create_transform, resolve_data_config
from torchvision.models import get_model_weights
from torchvision.models._api import Weights, WeightsEnum
from torchvision.transforms._presets import ImageClassification

from fieldmark.errors import DiskError, WeightsError
from fieldmark.models import published
from fieldmark.models.catalog import NETWORKS, OWN
from fieldmark.models.published import Rule, chosen, fetch, rule_of, versions
from fieldmark.models.weights import read_weights

TORCHVISION = sorted(name for name in NETWORKS if name not in OWN)
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
NOBODY = "http://127.0.0.1:9"  # the port of "discard", where nothing listens


@pytest.fixture
def torch_hub(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch" / "hub" / "checkpoints"


def publish(monkeypatch, address):
    """Let `address` be where the only version of every network lies."""

    class Only(WeightsEnum):
        V1 = Weights(url=address, transforms=partial(ImageClassification, crop_size=224), meta={})
        DEFAULT = V1

    monkeypatch.setattr(published, "_members", lambda name: Only)


def serve(monkeypatch, tmp_path, content):
    """A hub on this machine that has `content` as every model.safetensors. -> what was asked"""
    asked = []

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self):
            asked.append((self.command, self.path))
            found = content is not None
            self.send_response(200 if found else 404)
            self.send_header("Content-Length", str(len(content or b"")))
            self.send_header("ETag", f'"{hashlib.sha256(content or b"").hexdigest()}"')
            self.send_header("X-Repo-Commit", "0" * 40)
            if not found:
                self.send_header("X-Error-Code", "EntryNotFound")
            self.end_headers()

        def do_GET(self):
            self.do_HEAD()
            self.wfile.write(content or b"")

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    point_at(monkeypatch, tmp_path, f"http://127.0.0.1:{server.server_port}")
    return server, asked


def point_at(monkeypatch, tmp_path, address):
    """Let the Hugging Face hub be at `address`, with a cache of its own."""
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", address)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hf"))
    template = address + "/{repo_id}/resolve/{revision}/{filename}"
    for place in (huggingface_hub.constants, huggingface_hub.file_download):
        if hasattr(place, "HUGGINGFACE_CO_URL_TEMPLATE"):
            monkeypatch.setattr(place, "HUGGINGFACE_CO_URL_TEMPLATE", template)


def test_versions_bear_torchvisions_names_and_timms_tags():
    assert versions("mobilenet_v2") == ("IMAGENET1K_V1", "IMAGENET1K_V2")
    assert {"a1_in1k", "tv_in1k"} < set(versions("timm/resnet50"))
    assert versions("small_cnn") == versions("timm/resnet8_of_nobody") == ()


@pytest.mark.parametrize("name", TORCHVISION)
def test_every_torchvision_network_has_the_versions_and_sizes_that_torchvision_says(name):
    members = get_model_weights(name)
    assert versions(name) == tuple(member.name for member in members)
    for member in members:
        rule, preset = rule_of(name, member.name), member.transforms()
        assert [rule.size] == preset.crop_size
        assert int(rule.stored.split(":")[1]) == preset.resize_size[0]
        assert rule.stored.endswith(":bicubic") == ("bicubic" in str(preset.interpolation).lower())
        assert (rule.mean, rule.std) == (tuple(preset.mean), tuple(preset.std))


def test_rules_of_versions_differ_where_their_training_did():
    assert rule_of("mobilenet_v2", "IMAGENET1K_V1") == Rule(224, "shorter:256", *IMAGENET)
    assert rule_of("mobilenet_v2", "default") == Rule(224, "shorter:232", *IMAGENET)
    assert rule_of("vit_b_16", "IMAGENET1K_SWAG_E2E_V1").stored == "shorter:384:bicubic"


def test_a_file_has_the_rule_of_the_first_version_and_no_licence(tmp_path):
    assert rule_of("mobilenet_v2", "anything.safetensors") == rule_of(
        "mobilenet_v2", "IMAGENET1K_V1"
    )
    (tmp_path / "without_ending").touch()
    assert rule_of("resnet50", str(tmp_path / "without_ending")).stored == "shorter:256"
    assert chosen("mobilenet_v2", "anything.safetensors") is None


@pytest.mark.parametrize("weights", ["none", "my.pth"])
def test_small_cnn_has_no_rule(weights):
    assert rule_of("small_cnn", weights) is None
    assert chosen("small_cnn", weights) is None


def test_random_weights_have_no_rule():
    assert rule_of("mobilenet_v2", "none") is None


@pytest.mark.parametrize(
    "version",
    [
        "resnet50.a1_in1k",
        "resnet50.tv_in1k",
        "convnext_base.fb_in22k_ft_in1k_384",
        "vit_base_patch16_224.augreg2_in21k_ft_in1k",
        "inception_v4.tf_in1k",
    ],
)
def test_rules_of_timm_prepare_images_as_timm_does(version):
    name, _, tag = version.partition(".")
    rule = rule_of(f"timm/{name}", tag)
    config = resolve_data_config({}, pretrained_cfg=timm.get_pretrained_cfg(version).to_dict())
    resize, crop, *_, normalise = create_transform(**config).transforms
    word, side, *bicubic = rule.stored.split(":")
    assert resize.size == (int(side) if word == "shorter" else (int(side), int(side)))
    assert (resize.interpolation.value == "bicubic") == (bicubic == ["bicubic"])
    assert tuple(crop.size) == (rule.size, rule.size)
    assert rule.mean == pytest.approx(normalise.mean.tolist())
    assert rule.std == pytest.approx(normalise.std.tolist())


def test_a_network_of_timm_that_sees_no_squares_has_no_rule():
    assert versions("timm/vit_base_patch16_sapiens2")
    assert rule_of("timm/vit_base_patch16_sapiens2", "default") is None


def test_the_default_is_what_its_publisher_says():
    assert chosen("mobilenet_v2", "default").version == "IMAGENET1K_V2"
    assert chosen("timm/resnet50", "default").version == timm.get_pretrained_cfg("resnet50").tag
    for name in TORCHVISION:
        assert chosen(name, "default").version == get_model_weights(name).DEFAULT.name


def test_a_misspelt_version_is_met_with_the_right_one():
    with pytest.raises(WeightsError, match=r"no weights 'IMAGENET1K_V7', nor is it a file; did"):
        chosen("mobilenet_v2", "IMAGENET1K_V7")
    with pytest.raises(WeightsError, match="there are 'IMAGENET1K_V1' and 'IMAGENET1K_V2'"):
        chosen("mobilenet_v2", "xyz")
    with pytest.raises(WeightsError, match="did you mean 'a1_in1k'"):
        rule_of("timm/resnet50", "a1_in1")


def test_a_network_without_published_weights_says_so():
    with pytest.raises(WeightsError, match="'small_cnn' has no published weights; take --weights"):
        fetch(chosen("small_cnn", "default"))


def test_licences_are_those_that_the_publishers_name():
    assert chosen("mobilenet_v2", "default").licence == "BSD-3-Clause"
    assert chosen("vit_b_16", "IMAGENET1K_SWAG_E2E_V1").licence.startswith("CC-BY-NC-4.0 (https://")
    assert chosen("timm/resnet50", "a1_in1k").licence == "apache-2.0"
    assert chosen("timm/convnextv2_atto", "fcmae").licence == "cc-by-nc-4.0"
    assert chosen("timm/res2net50_14w_8s", "in1k").licence is None  # timm says "unknown"
    assert chosen("mobilenet_v2", "none") is None


def published_file(tmp_path, *, damaged=False):
    """A file of weights whose name holds the start of its hash, as torch's hub has them."""
    draft = tmp_path / "draft"
    torch.save({"weight": torch.arange(3.0)}, draft)
    digest = hashlib.sha256(draft.read_bytes()).hexdigest()[:8]
    return draft.rename(tmp_path / f"net-{'0' * 8 if damaged else digest}.pth")


def test_a_file_is_fetched_into_torchs_hub_and_read_without_running_code(
    tmp_path, monkeypatch, torch_hub
):
    there = published_file(tmp_path)
    publish(monkeypatch, there.as_uri())
    path = fetch(chosen("resnet18", "V1"))
    assert path == torch_hub / there.name
    assert read_weights(path)["weight"].tolist() == [0, 1, 2]


def test_a_file_that_is_at_hand_is_not_fetched_again(tmp_path, monkeypatch, torch_hub):
    there = published_file(tmp_path)
    publish(monkeypatch, there.as_uri())
    first = fetch(chosen("resnet18", "default"))
    there.unlink()
    assert fetch(chosen("resnet18", "default")) == first


def test_a_file_with_another_hash_is_refused_and_not_kept(tmp_path, monkeypatch, torch_hub):
    publish(monkeypatch, published_file(tmp_path, damaged=True).as_uri())
    with pytest.raises(
        WeightsError, match=r"resnet18, version V1 could not be fetched \(invalid hash"
    ):
        fetch(chosen("resnet18", "V1"))
    assert list(torch_hub.iterdir()) == []


@pytest.mark.parametrize("address", [f"{NOBODY}/net.pth", "file:///nowhere/net.pth"])
def test_a_hub_out_of_reach_gives_one_sentence_with_three_ways_out(address, monkeypatch, torch_hub):
    publish(monkeypatch, address)
    with pytest.raises(WeightsError) as caught:
        fetch(chosen("resnet18", "default"))
    said = str(caught.value)
    assert said.startswith("the weights of resnet18, version V1 could not be fetched (")
    assert said.endswith(
        f"fetch {address} elsewhere and give it with --weights FILE, take --model "
        "efficientnet_lite0, whose weights are installed, or --weights none"
    )
    assert "\n" not in said


def test_a_hub_folder_that_cannot_be_written_is_told_as_such(tmp_path, monkeypatch, torch_hub):
    def refuse(*args):
        raise PermissionError(13, "Permission denied")

    publish(monkeypatch, published_file(tmp_path).as_uri())
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    with pytest.raises(DiskError, match=r"checkpoints/net-.*\.pth: cannot be written"):
        fetch(chosen("resnet18", "default"))


def test_weights_of_timm_come_from_the_hub_once(tmp_path, monkeypatch):
    content = save({"weight": torch.arange(3.0)})
    server, asked = serve(monkeypatch, tmp_path, content)
    path = fetch(chosen("timm/test_vit", "default"))
    assert read_weights(path)["weight"].tolist() == [0, 1, 2]
    assert asked[-1] == ("GET", "/timm/test_vit.r160_in1k/resolve/main/model.safetensors")
    server.shutdown()
    server.server_close()
    assert fetch(chosen("timm/test_vit", "r160_in1k")) == path


def test_what_the_hub_does_not_have_is_told_in_one_sentence(tmp_path, monkeypatch):
    server, _ = serve(monkeypatch, tmp_path, None)
    with pytest.raises(WeightsError) as caught:
        fetch(chosen("timm/test_vit", "default"))
    server.shutdown()
    server.server_close()
    assert "timm/test_vit, version r160_in1k could not be fetched (" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_hub_of_timm_out_of_reach_is_told_at_once(tmp_path, monkeypatch):
    point_at(monkeypatch, tmp_path, NOBODY)
    with pytest.raises(WeightsError) as caught:
        fetch(chosen("timm/test_vit", "default"))
    address = f"{NOBODY}/timm/test_vit.r160_in1k/resolve/main/model.safetensors"
    assert f"fetch {address} elsewhere" in str(caught.value)
    assert "--weights none" in str(caught.value)


def test_networks_that_timm_keeps_at_an_address_are_fetched_as_torch_does(monkeypatch):
    asked = []
    monkeypatch.setattr(published, "_from_address", lambda address, *_: asked.append(address))
    fetch(chosen("timm/gcvit_tiny", "default"))
    assert asked[0].startswith("https://github.com/")
