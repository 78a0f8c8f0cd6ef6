"""A network's file made small for a page, and put together again."""

import gzip

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="needs onnx: pip install 'fieldmark[onnx]'")

from onnx import TensorProto, helper, numpy_helper

from fieldmark.export.packed import LEAST, pack, rounded, unpack, zipped


def network(*tables):
    """A model that holds these tables and gives back what it is given."""
    kept = [numpy_helper.from_array(each, f"t{place}") for place, each in enumerate(tables)]
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    given = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])], "g", [value], [given], kept
    )
    return helper.make_model(graph)


def drawn(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def test_any_file_is_itself_again():
    twice = drawn(40, 30)
    few, whole = drawn(LEAST - 1), np.arange(4 * LEAST, dtype=np.int64)
    for tables in ((), (twice, few, whole, twice, drawn(LEAST)), (np.zeros(LEAST, np.float32),)):
        model = network(*tables)
        assert unpack(pack(model)) == model.SerializeToString()


def test_first_bytes_together_take_less_room():
    model = network(drawn(400, 300))
    packed = pack(model)
    assert len(packed.graph) + len(packed.weights) < 0.95 * len(zipped(model.SerializeToString()))


def test_the_same_file_is_packed_alike_at_any_time():
    assert zipped(b"a") == zipped(b"a")
    assert pack(network(drawn(LEAST))) == pack(network(drawn(LEAST)))


def test_large_tables_are_rounded_to_the_bits_kept_and_others_stay():
    table, few = drawn(LEAST), drawn(LEAST - 1)
    table[:3] = 1 + 2.0**-14, 1 + 3 * 2.0**-14, np.inf  # two ties, which go to the even one
    found = [numpy_helper.to_array(each) for each in rounded(network(table, few)).graph.initializer]
    assert found[0][:3].tolist() == [1, 1 + 2.0**-12, np.inf]
    assert (np.abs(found[0][3:] / table[3:] - 1) <= 2.0**-14).all()
    assert not (found[0][3:].view(np.uint32) & 0x3FF).any()
    assert (found[1] == few).all()


def test_a_model_is_not_changed_by_rounding_it():
    model = network(drawn(LEAST))
    before = model.SerializeToString()
    assert rounded(model).SerializeToString() != before == model.SerializeToString()
    assert onnx.load_from_string(before) == model
    assert gzip.compress(before)
