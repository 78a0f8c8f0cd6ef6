import torch
from torch import nn

from fieldmark.cli.models import print_summary
from fieldmark.models.catalog import MODELS
from fieldmark.models.outline import outline
from fieldmark.models.stages import stages

FEATURES = [23_296, 128, 307_392, 384, 663_936, 768, 884_992, 512, 590_080, 512]
CLASSIFIER = [37_752_832, 8_192, 16_781_312, 8_192, 2_097_664, 1_024, 12_825]


def test_the_summary_prints_the_published_parameters_layer_by_layer(capsys):
    print_summary("birds_alexnet", 25, 224)
    lines = capsys.readouterr().out.splitlines()
    weighted = [line for line in lines if line.lstrip().startswith(("Conv", "Batch", "Linear"))]
    printed = [line.split(" x ")[-1].split()[1] for line in weighted]
    assert printed == [f"{count:,}" for count in FEATURES + CLASSIFIER]
    assert "total parameters:          59,134,041 (236.5 MB)" in lines


def test_the_layers_are_the_published_ones_in_their_order():
    network = outline("birds_alexnet", 25)
    kinds = [type(layer).__name__ for layer in network.features]
    one, pool = ["Conv2d", "ReLU", "BatchNorm2d"], ["MaxPool2d"]
    assert kinds == one + pool + one + pool + one + one + one + pool
    wide = ["Dropout", "Linear", "ReLU", "BatchNorm1d"]
    assert [type(layer).__name__ for layer in network.classifier] == 3 * wide + ["Linear"]
    geometry = [
        (layer.kernel_size[0], layer.stride[0], layer.padding[0])
        for layer in network.features
        if isinstance(layer, nn.Conv2d)
    ]
    assert geometry == [(11, 4, 2), (5, 1, 2), (3, 1, 1), (3, 1, 1), (3, 1, 1)]
    pools = [layer for layer in network.features if isinstance(layer, nn.MaxPool2d)]
    assert [(layer.kernel_size, layer.stride) for layer in pools] == 3 * [(3, 2)]


def test_images_of_any_size_reach_the_classifier_as_six_by_six():
    network = outline("birds_alexnet", 25).eval()
    for side in (64, 128, 224, 300):
        maps = network.features(torch.empty(1, 3, side, side, device="meta"))
        assert network.pool(maps).shape == (1, 256, 6, 6)


def test_dropout_stands_before_the_three_wide_layers():
    for given, rate in (({}, 0.1), ({"dropout": 0.5}, 0.5)):
        network = outline("birds_alexnet", 25, given)
        dropouts = [layer for layer in network.modules() if isinstance(layer, nn.Dropout)]
        assert [layer.p for layer in dropouts] == 3 * [rate]


def test_its_stages_are_the_convolutions_the_hidden_layers_and_the_head():
    names = [stage.name for stage in stages(outline("birds_alexnet", 25))]
    features = [f"features.{place}" for place in (0, 4, 8, 11, 14)]
    assert names == [*features, "classifier", "head"]


def test_a_dropout_that_is_no_share_is_a_mistake():
    _, mistakes = MODELS.read("birds_alexnet", {"dropout": 1.5})
    assert [str(mistake) for mistake in mistakes] == ["dropout: must be at most 1, not 1.5"]
