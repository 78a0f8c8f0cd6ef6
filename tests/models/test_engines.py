"""Other engines than torch: close to it, the same bits each time, refused where they are not."""

import pickle
import sys
from importlib.metadata import version

import numpy as np
import pytest
import torch
from enginesthere import ENGINES, KINDS, needs
from torch import nn

from fieldmark.errors import SettingsError
from fieldmark.machine import INSTALL
from fieldmark.models import engines, precision
from fieldmark.models.engines import Engine, as_onnx, compared

CPU = torch.device("cpu")
SIDE = 16


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = (nn.Conv2d(3, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU())
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()).train()


@pytest.fixture(scope="module")
def images():
    pixels = np.random.default_rng(0).integers(0, 256, (19, 3, SIDE, SIDE), np.uint8)
    return torch.from_numpy(pixels)


@pytest.fixture(scope="module", params=ENGINES)
def engine(request, network):
    return Engine(request.param, network, SIDE, precision=KINDS[request.param], threads=2)


def features_of(network, images):
    with torch.inference_mode():
        return network.eval()(images.float())


def test_it_gives_what_torch_gives_in_eval_mode(engine, network, images):
    told = compared(engine, engine(images), features_of(network, images))
    begun, _, rest = told.partition(" computes the features, ")
    assert begun == f"{engine.name} {version(engine.name)}"
    assert rest.startswith(f"in {engine.precision}; those of 19 images are within ")


def test_an_image_has_the_same_bits_in_any_batch_any_process_and_any_number_of_threads(
    engine, network, images
):
    whole = engine(images)
    assert torch.equal(engine(images), whole)
    assert torch.equal(engine(images.flip(0)).flip(0), whole)
    assert torch.equal(engine(images[11:12])[0], whole[11])
    assert torch.equal(engine(images.float()), whole)
    sent = pickle.loads(pickle.dumps(engine))
    sent._threads = 1
    assert torch.equal(sent(images), whole)
    assert torch.equal(in_a_fork(engine, images), whole)


def in_a_fork(engine, images):
    """What a child of this process, whose engine has threads already, makes of the images."""
    context = torch.multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)
    child = context.Process(target=lambda: sending.send_bytes(pickle.dumps(engine(images).numpy())))
    child.start()
    assert receiving.poll(60)
    found = pickle.loads(receiving.recv_bytes())
    child.join()
    return torch.from_numpy(found)


@needs("openvino")
def test_openvino_sends_no_word_to_its_makers(network, images):
    Engine("openvino", network, SIDE, precision="float32")(images)
    assert sys.modules["openvino_telemetry"] is None
    assert not [name for name in sys.modules if name.startswith("openvino_telemetry.")]


def test_features_that_are_far_from_torchs_or_not_finite_are_refused(engine, images):
    wanted, most = torch.ones(19, 4), engines.FARTHEST[engine.precision]
    told = {"1 of their length off": wanted + 1, "not finite where torch's are": wanted / 0}
    for words, far in told.items():
        with pytest.raises(SettingsError) as caught:
            compared(engine, far, wanted)
        assert str(caught.value) == (
            f"--engine: features of 19 images by {engine.name} in {engine.precision} are "
            f"{words}, and at most {most:g} is taken; take the engine torch"
        )


class Odd(nn.Module):
    """Its way depends on what it sees, which no graph can hold."""

    def forward(self, images):
        return images.mean((2, 3)) if images.sum() > 0 else images.amax((2, 3))


@needs("onnxruntime")
def test_a_network_that_no_graph_can_hold_is_refused():
    with pytest.raises(SettingsError, match="cannot be written as ONNX, which onnxruntime needs"):
        as_onnx(Odd(), SIDE, engine="onnxruntime")


@pytest.mark.parametrize("name", KINDS)
def test_an_engine_that_is_not_there_is_told_with_its_extra_and_one_off_the_processor(
    name, monkeypatch
):
    monkeypatch.setattr(engines, "is_installed", lambda package: package != name)
    assert [str(each) for each in engines.check(name, CPU)] == [
        f"--engine: '{name}' is not installed; install it with: {INSTALL} 'fieldmark[{name}]'"
    ]
    assert [str(each) for each in engines.check(name, torch.device("cuda"))] == [
        f"--engine: {name} computes on the processor, and this is on cuda; take the device cpu, "
        "or the engine torch"
    ]
    assert engines.check("torch", CPU) == engines.check("another", CPU) == []


def test_the_precision_follows_the_engine_too():
    assert precision.choose(CPU, "mobilenet", "onnxruntime") == "float32"
    assert precision.choose(CPU, "mobilenet", "openvino") == precision.choose(CPU, "mobilenet")
    assert [str(each) for each in precision.check("bf16", CPU, "onnxruntime")] == [
        "run.precision: onnxruntime has float32 alone; take float32 or auto"
    ]
