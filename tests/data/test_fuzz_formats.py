"""Whatever is wrong in a file of another tool, it is read or refused in a sentence."""

import copy
import json

import numpy as np
import pytest

from fieldmark.data.asked_images import listed_of
from fieldmark.data.sources import read_listing
from fieldmark.errors import DataError
from fieldmark.settings.data import DataSettings

COCO = {
    "categories": [{"id": k, "name": f"c{k}"} for k in range(2)],
    "images": [{"id": k, "file_name": f"{k}.jpg", "location": k} for k in range(1, 5)],
    "annotations": [{"image_id": k, "category_id": k % 2, "bbox": [1, 2, 3, 4]} for k in (1, 2, 3)],
}
BOX = {"category": "1", "conf": 0.9, "bbox": [0.1, 0.1, 0.2, 0.2]}
BOXES = {
    "info": {"detector_metadata": {"typical_detection_threshold": 0.2}},
    "detection_categories": {"1": "animal"},
    "images": [{"file": f"{k}.jpg", "detections": [BOX]} for k in range(1, 5)],
}
OTHER = {"category": "animal", "confidence": 0.9, "bbox": [1, 1, 20, 20]}
MICROSOFTS = [{"file": f"{k}.jpg", "detections": [OTHER]} for k in range(1, 5)]
PACKAGE = {"profile": "camtrap-dp", "resources": [{"name": "media", "path": "media.csv"}]}
ODD = [None, [], {}, "", 0, -1, 1e99, True, "x", [1], {"a": 1}, ["a"], float("nan")]


def places(value, at=()):
    """Where something stands in JSON."""
    if at:
        yield at
    inside = dict(enumerate(value)) if isinstance(value, list) else value
    for key, each in inside.items() if isinstance(inside, dict) else ():
        yield from places(each, (*at, key))


def changed(value, draw):
    """JSON with one thing in it gone, or another one in its place."""
    value = copy.deepcopy(value)
    where = list(places(value))
    *above, last = where[draw.integers(len(where))]
    parent = value
    for key in above:
        parent = parent[key]
    if draw.random() < 0.2:
        del parent[last]
    else:
        parent[last] = ODD[draw.integers(len(ODD))]
    return value


@pytest.mark.parametrize("name", ["coco", "boxes", "microsofts", "package"])
def test_a_file_with_a_changed_part_is_read_or_refused_in_a_sentence(table, tmp_path, name):
    source = table("1.jpg a\n2.jpg b\n", "list.txt")
    value = {"coco": COCO, "boxes": BOXES, "microsofts": MICROSOFTS, "package": PACKAGE}[name]
    outcomes, sentences = set(), []
    for seed in range(25):
        path = tmp_path / ("datapackage.json" if name == "package" else "t.json")
        path.write_text(json.dumps(changed(value, np.random.default_rng(seed))))
        try:
            if name in ("boxes", "microsofts"):
                listed_of(DataSettings(source=source, crops=str(path)))
            else:
                read_listing(str(path))
            outcomes.add("read")
        except DataError as error:
            sentences.append(str(error))
            outcomes.add("refused")
    assert not [each for each in sentences if "\n" in each]
    assert outcomes == ({"refused"} if name == "package" else {"read", "refused"})
