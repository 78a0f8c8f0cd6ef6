import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fieldmark.errors import DiskError, WeightsError
from fieldmark.models.assemble import Design, assemble
from fieldmark.models.bundle import BundleInfo, Classifier, load, read_info, save, write_info
from fieldmark.models.catalog import MODELS
from fieldmark.models.heads import Linear32
from fieldmark.models.own_networks import SmallCnn
from fieldmark.models.weights import read_weights as open_weights
from fieldmark.records import InputSpec

SPEC = InputSpec("square:8", 8, mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))
INFO = BundleInfo(
    model="small_cnn",
    classes=("fox", "owl", "hare"),
    spec=SPEC,
    options={"width": 8, "dropout": 0.2},
    thresholds={"fox": 0.4, "owl": 0.5, "hare": 0.25},
    temperature=1.7,
    licence="CC-BY-4.0",
    weights="random",
    versions={"torch": torch.__version__},
    samples_hash="abc",
)


def trained(width=8):
    torch.manual_seed(3)
    network = SmallCnn(3, width=width)
    network(torch.rand(4, 3, 8, 8))  # so that the batch norm statistics are not the first ones
    return network


@pytest.fixture
def folder(tmp_path):
    save(tmp_path, trained().state_dict(), INFO)
    return tmp_path


DESIGNED = {"model": "small_cnn", "classes": ("a", "b"), "spec": SPEC}


@pytest.mark.parametrize(
    "made",
    [
        {"head": "mlp", "head_options": {"sizes": (6, 5), "norm": True}},
        {"head": "linear", "head_options": {"dropout": 0.2}},
        {"head": "after", "head_options": {"activation": "relu"}},
        {"resizer": 16},
        {"head": "after", "resizer": 16},
        {"model": "squeezenet1_1", "head": "mlp", "head_options": {"sizes": (6,)}},
    ],
)
@pytest.mark.parametrize("kept", [1000, 21])
def test_a_network_with_another_head_or_a_resizer_comes_back(tmp_path, made, kept):
    info = BundleInfo(**{**DESIGNED, **made})
    design = Design(info.model, info.options, info.head, info.head_options, info.resizer)
    network = assemble(design, 2, seed=3, kept=kept)
    save(tmp_path, network.state_dict(), info)
    classifier, found = load(tmp_path)
    assert (found.head, found.resizer) == (info.head, info.resizer)
    tensors = classifier.network.state_dict()
    assert all(torch.equal(tensor, tensors[n]) for n, tensor in network.state_dict().items())
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    assert torch.equal(classifier(images), network.eval()(classifier.prepare(images)))


def test_an_older_model_json_is_of_the_networks_own_head(folder):
    path = folder / "model.json"
    values = json.loads(path.read_text())
    for name in ("head", "head_options", "resizer", "engine"):
        del values[name]
    path.write_text(json.dumps(values))
    classifier, info = load(folder)
    assert info == INFO
    assert type(classifier.network.head) is Linear32
    assert torch.equal(classifier.network.head.weight, trained().head.weight)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_bundle_comes_back_bit_for_bit(folder):
    network, (classifier, info) = trained(), load(folder)
    assert info == INFO
    assert classifier.spec == SPEC
    found = classifier.network.state_dict()
    assert list(found) == list(network.state_dict())
    assert all(torch.equal(tensor, found[n]) for n, tensor in network.state_dict().items())
    batch = torch.randint(0, 256, (5, 3, 8, 8), dtype=torch.uint8)
    again = Classifier(network, SPEC).eval()
    assert torch.equal(classifier(batch), again(batch))


def test_a_loaded_classifier_is_in_eval_mode(folder):
    assert not any(module.training for module in load(folder)[0].modules())


def test_a_bundle_is_two_files_and_nothing_else(folder):
    assert set(contents(folder)) == {"model.json", "model.safetensors"}


def test_saving_the_same_twice_gives_the_same_bytes(folder):
    before = contents(folder)
    save(folder, trained().state_dict(), INFO)
    assert contents(folder) == before


@pytest.mark.parametrize("name", ["mnasnet0_5", "squeezenet1_1"])
def test_networks_with_their_own_way_of_loading_come_back_too(tmp_path, name):
    network = MODELS.build(name, {}, 2)
    info = BundleInfo(model=name, classes=("a", "b"), spec=InputSpec("square:64", 64))
    save(tmp_path, network.state_dict(), info)
    found = load(tmp_path)[0].network.state_dict()
    assert all(torch.equal(tensor, found[n]) for n, tensor in network.state_dict().items())


def test_weights_in_channels_last_and_weights_that_share_memory_are_saved(tmp_path):
    network = trained().to(memory_format=torch.channels_last)
    state = network.state_dict()
    state["stage1.1.running_mean"] = state["stage1.1.bias"]
    save(tmp_path, state, INFO)
    assert torch.equal(load(tmp_path)[0].network.stage1[0].weight, network.stage1[0].weight)


def test_images_are_normalised_as_the_spec_says():
    batch = torch.randint(0, 256, (2, 3, 5, 4), dtype=torch.uint8)
    found = Classifier(SmallCnn(3), SPEC).prepare(batch)
    mean, std = (np.array(v, np.float32)[:, None, None] for v in (SPEC.mean, SPEC.std))
    expected = (batch.numpy().astype(np.float32) / np.float32(255) - mean) / std
    assert found.dtype == torch.float32
    assert np.array_equal(found.numpy(), expected)


def test_images_stay_in_channels_last():
    batch = torch.zeros(2, 3, 5, 4, dtype=torch.uint8).to(memory_format=torch.channels_last)
    found = Classifier(SmallCnn(3), SPEC).prepare(batch)
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_a_float_batch_is_on_the_same_scale():
    classifier = Classifier(trained(), SPEC).eval()
    batch = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    assert torch.equal(classifier(batch), classifier(batch.float()))
    assert not torch.equal(classifier(batch), classifier(batch + 0.5))


def test_mean_and_std_are_no_weights():
    assert all(name.startswith("network.") for name in Classifier(trained(), SPEC).state_dict())


def test_model_json_holds_what_it_should(folder):
    values = json.loads((folder / "model.json").read_text())
    assert values["format"] == 1
    assert values["classes"] == ["fox", "owl", "hare"]
    assert values["spec"] == {
        "stored": "square:8",
        "size": 8,
        "mean": [0.1, 0.2, 0.3],
        "std": [0.4, 0.5, 0.6],
    }
    assert read_info(folder / "model.json") == INFO


def test_what_may_be_absent_comes_back_as_absent(tmp_path):
    plain = BundleInfo(model="small_cnn", classes=("a",), spec=InputSpec("square:8", 8))
    save(tmp_path, SmallCnn(1).state_dict(), plain)
    info = load(tmp_path)[1]
    assert info == plain
    assert (info.thresholds, info.licence, info.samples_hash) == (None, None, None)


def rewrite(folder, **values):
    path = folder / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_a_missing_file_is_named(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"model\.safetensors: there is no such file"):
        load(folder)
    (folder / "model.json").unlink()
    with pytest.raises(WeightsError, match=r"model\.json: there is no such file; name a folder"):
        load(folder)


def test_weights_that_were_cut_short_are_named(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(WeightsError, match=r"model\.safetensors: is damaged or cut short"):
        load(folder)


@pytest.mark.parametrize("content", ["", "{", "[1, 2]", '"text"', "3"])
def test_a_model_json_that_is_no_json_table_is_damaged(folder, content):
    (folder / "model.json").write_text(content)
    with pytest.raises(WeightsError, match=r"model\.json: is damaged"):
        load(folder)


@pytest.mark.parametrize(
    ("values", "where"),
    [
        ({"classes": 3}, "classes"),
        ({"temperature": "warm"}, "temperature"),
        ({"spec": {}}, "spec"),
        ({"task": "guessing"}, "task"),
    ],
)
def test_a_wrong_value_is_named(folder, values, where):
    rewrite(folder, **values)
    with pytest.raises(WeightsError, match=rf"model\.json: is damaged \('{where}"):
        load(folder)


def test_a_newer_format_says_to_update(folder):
    rewrite(folder, format=2)
    with pytest.raises(WeightsError, match=r"newer Fieldmark \(format 2, .*; update fieldmark"):
        read_info(folder / "model.json")


def test_a_json_of_something_else_is_no_bundle(folder):
    (folder / "model.json").write_text('{"name": "something"}')
    with pytest.raises(WeightsError, match=r"model\.json: is not a bundle's model\.json"):
        load(folder)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"model": "small_cmn"}, "there is no model 'small_cmn'; did you mean 'small_cnn'"),
        ({"options": {"width": 8, "depth": 3}}, "takes no such option"),
        ({"head": "tower"}, "there is no head 'tower'"),
        ({"head": "mlp", "head_options": {"size": 8}}, "the head 'mlp' takes no such option"),
    ],
)
def test_a_network_that_this_version_does_not_know_is_told(folder, values, words):
    rewrite(folder, **values)
    with pytest.raises(WeightsError, match="another version of fieldmark") as error:
        load(folder)
    assert words in str(error.value)


def test_weights_of_another_bundle_are_told(folder):
    save_file(trained(width=4).state_dict(), folder / "model.safetensors")
    with pytest.raises(WeightsError, match=r"model\.safetensors: does not belong to the model"):
        load(folder)


def test_where_nothing_can_be_written_the_folder_is_named(tmp_path):
    with pytest.raises(DiskError, match=r"model\.safetensors: cannot be written"):
        save(tmp_path / "nowhere", trained().state_dict(), INFO)


def test_a_full_disk_leaves_the_last_good_bundle(folder, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    other = replace(INFO, temperature=9.0)
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(DiskError, match=r"model\.safetensors: the disk is full; free some space"):
        save(folder, SmallCnn(3, width=8).state_dict(), other)
    monkeypatch.undo()
    assert load(folder)[1] == INFO
    assert torch.equal(load(folder)[0].network.head.weight, trained().head.weight)
    assert set(contents(folder)) == {"model.json", "model.safetensors"}


def zeros_within(path, count=512):
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + count] = bytes(count)
    path.write_bytes(content)


def test_weights_that_were_damaged_are_refused_by_every_reader(folder):
    path = folder / "model.safetensors"
    zeros_within(path)
    sentence = (
        f"{path}: does not belong to the model.json beside it, or was damaged (its SHA-256 is "
        "another); copy the bundle again, both files"
    )
    for read in (lambda: load(folder), lambda: open_weights(path)):
        with pytest.raises(WeightsError) as caught:
            read()
        assert str(caught.value) == sentence


def test_a_bundle_of_before_there_was_a_hash_still_opens(folder):
    values = json.loads((folder / "model.json").read_text())
    del values["weights_sha256"]
    (folder / "model.json").write_text(json.dumps(values))
    zeros_within(folder / "model.safetensors")
    assert load(folder)[1] == INFO
    assert open_weights(folder / "model.safetensors")


def test_weights_beside_somebody_elses_model_json_are_read(folder):
    for content in ("no json", '{"format": "layers-model"}'):
        (folder / "model.json").write_text(content)
        assert open_weights(folder / "model.safetensors")


def test_model_json_written_alone_still_knows_its_weights(folder):
    write_info(folder, replace(INFO, temperature=2.5))
    assert load(folder)[1].temperature == 2.5
    zeros_within(folder / "model.safetensors")
    with pytest.raises(WeightsError, match="was damaged"):
        load(folder)


@pytest.mark.parametrize("dies_at", ["write_weights", "write_json"])
def test_a_kill_between_the_two_files_leaves_no_half_of_each(folder, monkeypatch, dies_at):
    def killed(*_):
        raise KeyboardInterrupt

    if dies_at == "write_json":
        monkeypatch.setattr("fieldmark.models.bundle.write_json", killed)
    else:
        monkeypatch.setattr("pathlib.Path.replace", killed)
    with pytest.raises(KeyboardInterrupt):
        save(folder, SmallCnn(3, width=8).state_dict(), INFO)
    assert "model.json" not in contents(folder)  # "go on with fieldmark train --resume"
    monkeypatch.undo()
    save(folder, trained().state_dict(), INFO)
    assert load(folder)[1] == INFO
