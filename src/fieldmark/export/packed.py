"""A network's file made small for a page: weights rounded, and their bytes sorted by place.

Of a float32 the first byte (sign and exponent) is much alike from weight to weight and the last
ones are noise, so that gzip finds more where all first bytes stand together.
"""

import base64
import gzip
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

MANTISSA = 13  # bits that are kept of the 23; float16 has 10
LEAST = 256  # weights of a tensor; smaller ones stay where and as they are


@dataclass(frozen=True)
class Packed:
    """graph: the file with zeros for its weights; weights: these, first bytes first; both gzipped
    and as base64. places: where the weights of each tensor begin in the file, and how many."""

    graph: str
    weights: str
    places: tuple[tuple[int, int], ...]


def pack(model: onnx.ModelProto) -> Packed:
    """Of a file whose weights are rounded (`rounded`), or of any."""
    whole = bytearray(model.SerializeToString())
    tables, places, end = [], [], 0
    for tensor in filter(_is_large, model.graph.initializer):
        raw = tensor.raw_data
        start = whole.index(raw, end)
        end = start + len(raw)
        tables.append(np.frombuffer(raw, np.uint8).reshape(-1, 4))
        places.append((start, len(raw) // 4))
        whole[start:end] = bytes(len(raw))
    planes = np.concatenate([np.zeros((0, 4), np.uint8), *tables])[:, ::-1].T
    return Packed(zipped(bytes(whole)), zipped(planes.tobytes()), tuple(places))


def unpack(packed: Packed) -> bytes:
    """The file again, as the page's script puts it together."""
    texts = (packed.graph, packed.weights)
    graph, weights = (gzip.decompress(base64.b64decode(text)) for text in texts)
    whole = np.frombuffer(graph, np.uint8).copy()
    planes = np.frombuffer(weights, np.uint8).reshape(4, -1).T[:, ::-1]
    first = 0
    for start, count in packed.places:
        whole[start : start + 4 * count] = planes[first : first + count].ravel()
        first += count
    return whole.tobytes()


def rounded(model: onnx.ModelProto, mantissa: int = MANTISSA) -> onnx.ModelProto:
    """The same with large tables of float32 rounded to so many bits, halves to even."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    for tensor in made.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and np.prod(tensor.dims) >= LEAST:
            values = numpy_helper.to_array(tensor)
            tensor.CopyFrom(numpy_helper.from_array(_rounded(values, mantissa), tensor.name))
    return made


def _rounded(values: np.ndarray, mantissa: int) -> np.ndarray:
    """float32 -> float32"""
    bits = np.ascontiguousarray(values).view(np.uint32)
    drop = np.uint32(23 - mantissa)
    half = np.uint32((1 << (22 - mantissa)) - 1) + ((bits >> drop) & np.uint32(1))
    near = ((bits + half) >> drop << drop).view(np.float32)
    return np.where(np.isfinite(near), near, values)


def _is_large(tensor: Any) -> bool:
    return bool(tensor.data_type == TensorProto.FLOAT and len(tensor.raw_data) >= 4 * LEAST)


def zipped(content: bytes) -> str:
    """As gzip in base64; the same text for the same bytes."""
    return base64.b64encode(gzip.compress(content, 9, mtime=0)).decode()
