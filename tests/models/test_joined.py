"""A network whose head takes words beside an image's features."""

import numpy as np
import pytest
import torch

from fieldmark.errors import UserError
from fieldmark.models.assemble import Design, assemble
from fieldmark.models.body import body_and_head
from fieldmark.models.catalog import MODELS
from fieldmark.models.joined import Words

BUCKETS = 8


def joined(name="small_cnn", **options):
    known, _ = MODELS.read(name, {"width": 4} if name == "small_cnn" else {})
    torch.manual_seed(0)
    return assemble(Design(name, known, words=BUCKETS, **options), 3).eval()


def test_rare_words_count_more_and_unknown_ones_nothing():
    words = Words(3)
    words.weigh(torch.tensor([[1.0, 0, 0], [2, 1, 0], [1, 0, 0], [0, 0, 0]]))
    np.testing.assert_allclose(words.idf, [1, np.log(4 / 2) + 1, 0], rtol=1e-6)


def test_each_part_is_divided_by_its_length():
    words = Words(2)
    words.weigh(torch.tensor([[1.0, 0], [0, 1]]))
    features = torch.tensor([[3.0, 4, 0, 0], [0, 0, 0, 0]])
    found = words(features, torch.tensor([[2.0, 0], [0, 0]]))
    np.testing.assert_allclose(found, [[1.2, 1.6, 0, 0, 2, 0], [0] * 6], rtol=1e-6)
    np.testing.assert_allclose(words(features)[0], [1.2, 1.6, 0, 0, 0, 0], rtol=1e-6)


@pytest.mark.parametrize(
    "options", [{}, {"head": "mlp"}, {"mirror": True}, {"resizer": 16}], ids=str
)
def test_head_and_body_are_the_network_where_words_are_joined_between(options):
    network = joined(**options)
    network.words.weigh(torch.eye(BUCKETS))
    for parameter in network.head.parameters():
        torch.nn.init.normal_(parameter)
    images, words = torch.rand(2, 3, 32, 32), torch.eye(BUCKETS)[:2]
    body, head = body_and_head(network, 32)
    with torch.no_grad():
        assert torch.equal(head(network.words(body(images), words)), network(images, words))


def test_a_network_without_one_head_is_refused():
    with pytest.raises(UserError) as caught:
        body_and_head(joined("timm/deit_tiny_distilled_patch16_224"), 224)
    assert str(caught.value) == (
        "VisionTransformerDistilled does not end in one head that could take words beside its "
        "features; take another --model, or leave model.captions out"
    )
