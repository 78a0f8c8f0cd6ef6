from itertools import product

import pytest
import torch
from torch import nn

from fieldmark.errors import SettingsError
from fieldmark.models.catalog import MODELS, NETWORKS, side_mistake
from fieldmark.models.nature_cnn import (
    ACTIVATIONS,
    final_side,
    nature_cnn,
    smallest_side,
    widths,
)

OF_3_AND_5 = list(product((3, 5), repeat=5))
ODD_ONES = [(1, 1, 1, 1, 1), (7, 7, 7, 7, 7), (2, 4, 6, 3, 1), (11, 9, 7, 5, 3), (1, 5, 1, 5, 1)]


def mistake(option, value):
    values, mistakes = MODELS.read("nature_cnn", {option: value})
    assert values == {}
    assert [each.where for each in mistakes] == [option]
    return mistakes[0].what


def counted(network):
    return sum(weight.numel() for weight in network.parameters())


def of_kind(network, kind):
    return [layer for layer in network.modules() if isinstance(layer, kind)]


@pytest.mark.parametrize("kernels", [*OF_3_AND_5, *ODD_ONES])
def test_the_final_side_is_that_of_the_real_network_for_every_combination_of_kernels(kernels):
    for side in (224, 171):
        network = nature_cnn(2, filters=1, kernel_size=kernels, image_size=side).eval()
        maps = network[:-2](torch.zeros(1, 3, side, side))
        assert maps.shape[2:] == (final_side(side, kernels),) * 2
        assert network(torch.zeros(1, 3, side, side)).shape == (1, 2)


@pytest.mark.parametrize(("kernels", "side"), [(3, 7), (5, 5), ((5, 5, 3, 3, 3), 6)])
def test_the_published_kernels_end_in_the_published_sides(kernels, side):
    assert final_side(224, kernels) == side


@pytest.mark.parametrize("pool", [1, 2, 3])
@pytest.mark.parametrize("kernels", [3, 5, (5, 5, 3, 3, 3), (3, 3, 3, 3, 5), *ODD_ONES])
def test_the_smallest_side_is_the_first_that_the_real_network_takes(kernels, pool):
    least = smallest_side(kernels, pool)
    options = {"filters": 1, "kernel_size": kernels, "pool_size": pool, "image_size": least}
    network = nature_cnn(2, **options).eval()
    assert network(torch.zeros(1, 3, least, least)).shape == (1, 2)
    assert final_side(least, kernels, pool) >= 1
    if least > 1:
        assert final_side(least - 1, kernels, pool) == 0
        with pytest.raises(RuntimeError, match=r"too small|can't be greater"):
            network[:-2](torch.zeros(1, 3, least - 1, least - 1))


def test_a_size_too_small_for_five_blocks_is_refused_with_the_smallest_that_works():
    said = "'nature_cnn' with kernels 5,5,3,3,3 needs images of 38 px or more, not 37"
    options = {"kernel_size": (5, 5, 3, 3, 3)}
    assert side_mistake("nature_cnn", options, 37) == said
    assert side_mistake("nature_cnn", {**options, "image_size": 38}, 38) is None
    with pytest.raises(SettingsError) as caught:
        nature_cnn(2, image_size=37, **options)
    assert str(caught.value) == f"model.image_size: {said}"
    assert side_mistake("nature_cnn", {"pool_size": 3}, 224) == (
        "'nature_cnn' with kernels 3,3,3,3,3 and pools of 3 needs images of 243 px or more, not 224"
    )


def test_the_smallest_side_in_the_table_is_that_of_the_defaults():
    assert NETWORKS["nature_cnn"].series.smallest == smallest_side(3)


def test_a_size_that_it_was_not_built_for_is_refused():
    assert side_mistake("nature_cnn", {}, 224) is None
    said = side_mistake("nature_cnn", {}, 112)
    assert said == "'nature_cnn' is built for 224 px, not 112; set model.image_size=112"


def test_a_block_is_convolution_activation_pooling_dropout_and_norm_in_this_order():
    network = nature_cnn(10, dropout=0.4, batch_norm=True, image_size=64)
    block = [nn.Conv2d, nn.ReLU, nn.MaxPool2d, nn.Dropout, nn.BatchNorm2d]
    assert [type(layer) for layer in network] == 5 * block + [nn.Flatten, nn.Linear]
    for convolution in of_kind(network, nn.Conv2d):
        assert (convolution.stride, convolution.padding) == ((1, 1), (1, 1))


def test_dropout_and_batch_norm_reach_all_five_blocks_and_only_where_they_are_wanted():
    with_both = nature_cnn(10, dropout=0.4, batch_norm=True)
    assert [layer.p for layer in of_kind(with_both, nn.Dropout)] == 5 * [0.4]
    assert len(of_kind(with_both, nn.BatchNorm2d)) == 5
    bare = nature_cnn(10, dropout=0)
    assert not of_kind(bare, (nn.Dropout, nn.BatchNorm2d))


def test_the_defaults_are_the_published_ones():
    network = nature_cnn(10)
    assert [layer.p for layer in of_kind(network, nn.Dropout)] == 5 * [0.3]
    assert {layer.kernel_size for layer in of_kind(network, nn.Conv2d)} == {(3, 3)}
    assert {layer.kernel_size for layer in of_kind(network, nn.MaxPool2d)} == {2}
    assert network[-1].in_features == 32 * 7 * 7
    assert counted(network) == 53_578


def test_the_published_best_network_has_the_parameters_that_its_layers_add_up_to():
    network = nature_cnn(
        10, filters=64, kernel_size=(5, 5, 3, 3, 3), activation="LeakyReLU", dropout=0.3
    )
    first, second = 3 * 64 * 25 + 64, 64 * 64 * 25 + 64
    assert counted(network) == first + second + 3 * (64 * 64 * 9 + 64) + 64 * 36 * 10 + 10


@pytest.mark.parametrize(
    ("filters", "organisation", "found"),
    [
        (32, "const", (32, 32, 32, 32, 32)),
        (64, "half", (64, 32, 16, 8, 4)),
        (5, "half", (5, 2, 1, 1, 1)),
        (16, "double", (16, 32, 64, 128, 256)),
    ],
)
def test_the_organisation_is_that_of_the_real_network(filters, organisation, found):
    network = nature_cnn(2, filters=filters, organisation=organisation, image_size=32)
    assert widths(filters, organisation) == found
    assert tuple(layer.out_channels for layer in of_kind(network, nn.Conv2d)) == found


def test_the_dense_layer_follows_the_classes_the_size_and_the_pools():
    assert nature_cnn(7, image_size=112)[-1].weight.shape == (7, 32 * 3 * 3)
    assert nature_cnn(7, image_size=243, pool_size=3)[-1].weight.shape == (7, 32)
    assert nature_cnn(7, image_size=8, pool_size=1)[-1].weight.shape == (7, 32 * 8 * 8)


@pytest.mark.parametrize("text", ["5,5,3,3,3", "[5, 5, 3, 3, 3]", "(5,5,3,3,3)", [5, 5, 3, 3, 3]])
def test_kernels_are_read_as_plain_numbers_however_they_are_written(text):
    values, mistakes = MODELS.read("nature_cnn", {"kernel_size": text})
    assert not mistakes
    assert values == {"kernel_size": (5, 5, 3, 3, 3)}


@pytest.mark.parametrize("given", ["3", 3, "[3]"])
def test_one_kernel_is_for_all_blocks(given):
    assert MODELS.read("nature_cnn", {"kernel_size": given}) == ({"kernel_size": 3}, [])


@pytest.mark.parametrize(
    "given", ["5,5,3,3", "0", -1, True, 3.0, "three", "5,5,3,3,-3", [1, 2], [[3]] * 5, None]
)
def test_other_kernels_are_one_sentence(given):
    assert mistake("kernel_size", given) == (
        "must be one whole number of at least 1, or 5 separated by commas, such as 5,5,3,3,3, "
        f"not {given}"
    )


def test_the_activations_are_those_of_torch_that_need_no_argument_and_keep_the_shape():
    def keeps_the_shape(name):
        try:
            return getattr(nn, name)()(torch.zeros(2, 4, 3, 3)).shape == (2, 4, 3, 3)
        except (TypeError, RuntimeError):  # it needs arguments, or halves what it gets
            return False

    across_values = {"Softmax", "Softmax2d", "Softmin", "LogSoftmax"}
    theirs = set(nn.modules.activation.__all__) - across_values
    assert {name for name in theirs if keeps_the_shape(name)} == set(ACTIVATIONS)


@pytest.mark.parametrize("name", ["LeakyReLU", "GELU", "SiLU", "PReLU"])
def test_an_activation_stands_in_every_block_with_its_own_defaults(name):
    network = nature_cnn(2, activation=name, image_size=32)
    found = [repr(network.get_submodule(f"activation{place}")) for place in range(1, 6)]
    assert found == 5 * [repr(getattr(nn, name)())]


def test_a_misspelt_activation_is_met_with_the_right_one():
    assert mistake("activation", "relu").endswith(
        "'relu' that can stand here; did you mean 'ReLU'?"
    )
    assert "there are 'CELU', 'ELU'" in mistake("activation", "Softmax2d")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("filters", 0),
        ("filters", "-32"),
        ("filters", 1.5),
        ("organisation", "triple"),
        ("dropout", 1.1),
        ("dropout", -0.1),
        ("dropout", "nan"),
        ("batch_norm", "maybe"),
        ("pool_size", 0),
        ("image_size", "-224"),
    ],
)
def test_what_no_network_could_be_built_with_never_reaches_torch(option, value):
    assert mistake(option, value).startswith("must be ")
