import argparse
import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torchvision.models import get_model

from fieldmark.errors import WeightsError
from fieldmark.models.catalog import MODELS, outline
from fieldmark.models.heads import head_of
from fieldmark.models.own_networks import SmallCnn
from fieldmark.models.weights import load_into, read_weights

SHARED = Path(__file__).parents[2].parent / "shared" / "weights"
MOBILENET, SQUEEZENET = SHARED / "mobilenet_v2.safetensors", SHARED / "squeezenet1_1.safetensors"
needs_weights = pytest.mark.skipif(
    not (MOBILENET.is_file() and SQUEEZENET.is_file()),
    reason="the ImageNet weights do not lie beside the checkout",
)


class RunsCode:
    def __reduce__(self):
        return os.mkdir, (os.environ["FIELDMARK_TEST_MARK"],)


@pytest.fixture
def mark(tmp_path, monkeypatch):
    """A folder that appears if loading ran the code inside a file."""
    path = tmp_path / "code-was-run"
    monkeypatch.setenv("FIELDMARK_TEST_MARK", str(path))
    return path


def state(classes=10):
    return SmallCnn(classes).state_dict()


def same(one, other):
    return set(one) == set(other) and all(torch.equal(one[n], other[n]) for n in one)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".pt", ".bin"])
def test_what_was_saved_is_read(tmp_path, suffix):
    path, saved = tmp_path / f"weights{suffix}", state()
    (save_file if suffix == ".safetensors" else torch.save)(saved, path)
    assert same(read_weights(path), saved)


def test_the_older_form_of_torchs_files_is_read(tmp_path):
    torch.save(state(), tmp_path / "w.pth", _use_new_zipfile_serialization=False)
    assert len(read_weights(tmp_path / "w.pth")) == len(state())


@pytest.mark.parametrize("key", ["state_dict", "model", "model_state_dict"])
def test_a_table_inside_a_checkpoint_is_found(tmp_path, key):
    saved = state()
    torch.save({"epoch": 3, key: saved, "optimizer": {"lr": 0.1}}, tmp_path / "w.pth")
    assert same(read_weights(tmp_path / "w.pth"), saved)


@pytest.mark.parametrize(
    "prefix", ["module.", "model.", "_orig_mod.", "network.", "model._orig_mod.module."]
)
def test_prefixes_of_wrappers_are_taken_off(tmp_path, prefix):
    saved = state()
    torch.save({prefix + name: tensor for name, tensor in saved.items()}, tmp_path / "w.pth")
    assert same(read_weights(tmp_path / "w.pth"), saved)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_becomes_float32_and_integers_stay(tmp_path, kind):
    save_file(
        {"weight": torch.tensor([0.5, -2.0], dtype=kind), "count": torch.tensor(2**40)},
        tmp_path / "w.safetensors",
    )
    found = read_weights(tmp_path / "w.safetensors")
    assert found["weight"].dtype == torch.float32
    assert found["weight"].tolist() == [0.5, -2.0]
    assert found["count"].dtype == torch.int64
    assert found["count"].item() == 2**40


def test_parameters_come_as_plain_tensors(tmp_path):
    torch.save(dict(SmallCnn(3).named_parameters()), tmp_path / "w.pth")
    assert not any(tensor.requires_grad for tensor in read_weights(tmp_path / "w.pth").values())


@pytest.mark.parametrize("name", ["densenet121", "vit_b_32"])
def test_the_names_in_torchvisions_older_files_are_understood(name):
    network = outline(name, 3)
    older = {
        new.replace("norm1.", "norm.1.")
        .replace("norm2.", "norm.2.")
        .replace("conv1.", "conv.1.")
        .replace("conv2.", "conv.2.")
        .replace("mlp.0.", "mlp.linear_1.")
        .replace("mlp.3.", "mlp.linear_2."): tensor
        for new, tensor in network.state_dict().items()
    }
    assert set(older) != set(network.state_dict())
    report = load_into(network, older)
    assert set(report.loaded) == set(network.state_dict())


def test_a_missing_file_is_told():
    with pytest.raises(WeightsError, match=r"nowhere\.pth: there is no such file; check the path"):
        read_weights(Path("nowhere.pth"))


def test_a_file_of_another_kind_is_told(tmp_path):
    (tmp_path / "w.onnx").write_bytes(b"whatever")
    with pytest.raises(WeightsError, match=r"w\.onnx: is no weights file by its name; give a"):
        read_weights(tmp_path / "w.onnx")


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("kept", [0, 5, 1000, 100_000])
def test_a_file_that_was_cut_short_is_told(tmp_path, suffix, kept):
    whole, cut = tmp_path / f"whole{suffix}", tmp_path / f"cut{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(state(), whole)
    cut.write_bytes(whole.read_bytes()[:kept])
    with pytest.raises(WeightsError, match=r"is damaged.+; fetch or copy it again"):
        read_weights(cut)


@pytest.mark.parametrize(
    "content", [b"<!DOCTYPE html><html>not found</html>", b"version https://git-lfs", bytes(99)]
)
def test_a_file_of_something_else_is_damaged_not_dangerous(tmp_path, content):
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(WeightsError, match="is damaged"):
        read_weights(tmp_path / "w.pth")


@pytest.mark.parametrize("form", ["zip", "older", "plain 0", "plain 2", "plain 5"])
def test_a_pickle_that_would_run_code_is_refused_and_runs_none(tmp_path, mark, form):
    path, content = tmp_path / "w.pth", {"state_dict": state(), "more": RunsCode()}
    if form.startswith("plain"):
        path.write_bytes(pickle.dumps({"more": RunsCode()}, protocol=int(form[-1])))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(WeightsError, match="was refused, because loading it could run code"):
        read_weights(path)
    assert not mark.exists()


@pytest.mark.parametrize("content", [SmallCnn(2), {"args": argparse.Namespace(lr=1)}])
def test_whole_networks_and_foreign_objects_are_refused(tmp_path, content):
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="was refused, because loading it could run code"):
        read_weights(tmp_path / "w.pth")


@pytest.mark.parametrize(
    "content", [torch.ones(3), {}, {"epoch": 3}, [torch.ones(3)], {"a": {"b": torch.ones(1)}}]
)
def test_what_is_no_table_of_tensors_is_told(tmp_path, content):
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="holds no table of tensors; save the network's"):
        read_weights(tmp_path / "w.pth")


def test_two_networks_in_one_table_are_not_mixed(tmp_path):
    both = {f"model.{n}": t for n, t in state().items()} | {
        f"network.{n}": t for n, t in state().items()
    }
    torch.save(both, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="holds more than one network"):
        read_weights(tmp_path / "w.pth")


def test_a_network_that_is_all_head_takes_its_weights():
    network = nn.Linear(3, 2)
    assert load_into(network, nn.Linear(3, 2).state_dict()).loaded == ("weight", "bias")


def test_everything_is_loaded_where_everything_fits():
    network, saved = SmallCnn(10), state()
    report = load_into(network, saved)
    assert set(report.loaded) == set(saved)
    assert (report.skipped, report.missing, report.unexpected) == ((), (), ())
    assert same(network.state_dict(), saved)


def test_a_head_of_other_classes_is_left_as_it_is_and_listed():
    network, saved = SmallCnn(3), state(10)
    before = network.head.weight.clone()
    report = load_into(network, saved)
    assert report.skipped == ("head.weight", "head.bias")
    assert torch.equal(network.head.weight, before)
    assert torch.equal(network.stage1[0].weight, saved["stage1.0.weight"])


def test_a_head_is_loaded_whole_or_not_at_all():
    network, saved = SmallCnn(10), state(10)
    saved["head.weight"] = torch.zeros(10, 7)
    before = network.head.bias.clone()
    assert load_into(network, saved).skipped == ("head.weight", "head.bias")
    assert torch.equal(network.head.bias, before)


def test_a_head_may_be_missing():
    saved = {name: tensor for name, tensor in state().items() if not name.startswith("head")}
    assert load_into(SmallCnn(3), saved).missing == ("head.weight", "head.bias")


def test_the_count_of_batches_may_be_missing():
    saved = {name: tensor for name, tensor in state().items() if "num_batches" not in name}
    assert load_into(SmallCnn(10), saved).missing == ()


def changed(what):
    saved = state()
    if what == "missing":
        del saved["stage2.0.weight"]
    elif what == "of another shape":
        saved["stage2.0.weight"] = torch.zeros(1)
    else:
        saved["stage9.weight"] = torch.zeros(1)
    return saved


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("missing", "1 are missing, 0 are of another shape and 0 unknown (such as 'stage2.0."),
        (
            "of another shape",
            "0 are missing, 1 are of another shape and 0 unknown (such as 'stage2",
        ),
        (
            "unknown",
            "0 are missing, 0 are of another shape and 1 unknown (such as 'stage9.weight')",
        ),
    ],
)
def test_one_strange_tensor_of_the_backbone_is_refused_and_nothing_changed(what, words):
    network = SmallCnn(10)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(WeightsError) as error:
        load_into(network, changed(what))
    assert words in str(error.value)
    assert str(error.value).startswith("the weights are of another network: ")
    assert same(network.state_dict(), before)


@pytest.mark.parametrize(
    ("what", "place", "name"),
    [
        ("missing", "missing", "stage2.0.weight"),
        ("of another shape", "skipped", "stage2.0.weight"),
        ("unknown", "unexpected", "stage9.weight"),
    ],
)
def test_a_partial_load_takes_what_fits_and_lists_the_rest(what, place, name):
    network, saved = SmallCnn(10), changed(what)
    report = load_into(network, saved, partial=True)
    assert getattr(report, place) == (name,)
    assert torch.equal(network.stage1[0].weight, saved["stage1.0.weight"])


def test_even_a_partial_load_refuses_where_only_the_head_fits():
    saved = {"head.weight": torch.zeros(10, 128), "head.bias": torch.zeros(10)}
    with pytest.raises(WeightsError, match="weights are of another network: 0 of the"):
        load_into(SmallCnn(10), saved, partial=True)


def test_a_network_inside_somebodys_own_class_takes_its_plain_weights():
    class Mine(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = SmallCnn(10)

    network, saved = Mine(), state()
    report = load_into(network, saved)
    assert set(report.loaded) == {f"model.{name}" for name in saved}
    assert same(network.model.state_dict(), saved)


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_auxiliary_classifiers_in_published_weights_do_no_harm(name):
    with torch.device("meta"):
        theirs = get_model(name, aux_logits=True, init_weights=False).state_dict()
    report = load_into(outline(name, 3), theirs)
    assert {n.partition(".")[0] for n in report.unexpected} <= {"aux1", "aux2", "AuxLogits"}
    assert report.skipped == ("fc.weight", "fc.bias")


def test_mnasnet_takes_a_plain_table():
    # torchvision's own loading refuses one, since it has no version number
    saved = dict(MODELS.build("mnasnet0_5", {}, 3).state_dict())
    assert load_into(MODELS.build("mnasnet0_5", {}, 3), saved).missing == ()


@needs_weights
@pytest.mark.parametrize("path", [MOBILENET, SQUEEZENET], ids=lambda path: path.stem)
def test_published_weights_fit_and_only_the_head_is_skipped(path):
    network = MODELS.build(path.stem, {}, 5)
    report = load_into(network, read_weights(path))
    head = head_of(network)[0]
    assert report.skipped == (f"{head}.weight", f"{head}.bias")
    assert (report.missing, report.unexpected) == ((), ())
    stored = load_file(path)
    assert all(
        torch.equal(tensor, stored[name].to(tensor.dtype))
        for name, tensor in network.state_dict().items()
        if name in report.loaded
    )


@needs_weights
@pytest.mark.parametrize("partial", [False, True])
def test_weights_of_another_network_are_refused(partial):
    # with 1000 classes both have a 'classifier.1.bias' of one shape
    network = MODELS.build("mobilenet_v2", {}, 1000)
    with pytest.raises(WeightsError, match="of another network: 0 of the 260 tensors before"):
        load_into(network, read_weights(SQUEEZENET), partial=partial)
