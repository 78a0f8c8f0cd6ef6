"""Pipelines that a user saved with Albumentations: what is taken, and what is refused."""

import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
import yaml

from fieldmark.data import augment_albumentations
from fieldmark.data.augment import AUGMENTS, centre_crop, is_pipeline_file, read_pipeline
from fieldmark.data.augment_albumentations import normalised_by
from fieldmark.errors import DataError, SettingsError
from fieldmark.records import InputSpec

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # importing it would ask a server
pytest.importorskip("albumentations")
package = augment_albumentations.albumentations()
SEEN = InputSpec("square:16", 16)


def image(height=16, width=16):
    values = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return torch.from_numpy(values).permute(2, 0, 1)


def saved(path, *steps):
    package.save(package.Compose(list(steps)), str(path), data_format=path.suffix[1:])
    return path


def of(*steps):
    return json.dumps(package.to_dict(package.Compose(list(steps))))


def build(*steps, seen=SEEN):
    return AUGMENTS.build("albumentations", {"pipeline": of(*steps)}, seen)


def node(name, **arguments):
    return {"__class_fullname__": name, "p": 1.0, **arguments}


def test_a_file_is_known_by_its_ending():
    assert [is_pipeline_file(name) for name in ("a.yaml", "b/c.YML", "d.json", "light")] == [
        True,
        True,
        True,
        False,
    ]


@pytest.mark.parametrize("ending", ["yaml", "json"])
def test_a_saved_pipeline_is_read_and_does_what_it_did(tmp_path, ending):
    flip, shift = package.HorizontalFlip(p=1.0), package.RGBShift(20, 20, 20, p=1.0)
    path = saved(tmp_path / f"mine.{ending}", flip, package.OneOf([shift], p=0.5))
    change = AUGMENTS.build("albumentations", {"pipeline": read_pipeline(path)}, SEEN)
    found = [change(image(), np.random.default_rng(seed)) for seed in range(20)]
    plain = [torch.equal(each, image().flip(-1)) for each in found]
    assert 2 < sum(plain) < 18


def test_text_that_was_read_is_read_again_to_the_same(tmp_path):
    path = saved(tmp_path / "mine.yaml", package.HorizontalFlip(p=0.3))
    text = read_pipeline(path)
    (tmp_path / "again.json").write_text(text)
    assert read_pipeline(tmp_path / "again.json") == text


@pytest.mark.parametrize(
    ("transform", "said"),
    [
        (node("HorizontalFlap"), "no transform 'HorizontalFlap'; did you mean 'HorizontalFlip'?"),
        (node("Lambda", __name__="mine"), "'Lambda' holds code"),
        (node("HorizontalFlip", speed=3), "'HorizontalFlip' takes no argument 'speed'"),
        (node("Rotate", limit="far"), "'Rotate' cannot be made (limit"),
        (node("HorizontalFlip", p=7), "'HorizontalFlip' cannot be made (p: Input should be less"),
        (node("MaskDropout"), "'MaskDropout' needs more than an image"),
        (node("BBoxSafeRandomCrop"), "'BBoxSafeRandomCrop' needs more than an image"),
        (node("Compose", transforms=[], bbox_params={"format": "coco"}), "is for boxes"),
        ("nothing", "is not a pipeline of Albumentations; save one with"),
        (node("Compose", transforms=[3]), "there is no transform ''"),
        (node("Compose", transforms=[node("Nope")]), "there is no transform 'Nope'"),
        (node("OneOf", transforms=[]), "'OneOf' holds no transform"),
        (
            node("Compose", transforms=[node("HorizontalFlip")], speed=3),
            "'Compose' cannot be made",
        ),
        (
            node("OneOf", transforms=[node("HorizontalFlip", p=0.0)]),
            "'OneOf' cannot be made",
        ),
    ],
)
def test_what_is_no_pipeline_for_images_is_told_in_a_sentence(tmp_path, transform, said):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"__version__": "2.0.8", "transform": transform}))
    with pytest.raises(SettingsError) as caught:
        read_pipeline(path)
    assert len(caught.value.mistakes) == 1
    assert caught.value.mistakes[0].where == "augment.name"
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("garbage", "cannot be read as JSON (Expecting value: line 1 column 1 (char 0)); save"),
        ("[3]", "is not a pipeline of Albumentations"),
        (json.dumps({"transform": node("Nope")}), "there is no transform 'Nope'"),
        (json.dumps({"transform": node("Lambda", __name__="a")}), "'Lambda' holds code"),
        (json.dumps({"transform": node("Compose", transforms=3)}), "'Compose' holds no list"),
        (json.dumps({"__version__": "1.3.1", "transform": {}}), "saved by Albumentations 1.3.1"),
    ],
)
def test_a_text_in_the_settings_is_held_to_what_a_file_is(text, said):
    for ask in (
        normalised_by,
        lambda text: AUGMENTS.build("albumentations", {"pipeline": text}, SEEN),
    ):
        with pytest.raises(SettingsError) as caught:
            ask(text)
        assert [mistake.where for mistake in caught.value.mistakes] == ["augment.pipeline"]
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.json", "{", "cannot be read as JSON"),
        ("a.yaml", "a: [", "cannot be read as YAML"),
        ("a.yaml", "!!python/object/apply:os.getcwd []", "cannot be read as YAML"),
        ("a.yaml", "- 3", "is not a pipeline of Albumentations"),
        ("a.yaml", "{__version__: 1.3.1, transform: {}}", "saved by Albumentations 1.3.1"),
        ("b.yaml", None, "cannot be read (No such file or directory)"),
    ],
)
def test_a_file_that_is_none_is_told_in_a_sentence(tmp_path, name, text, said):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(SettingsError) as caught:
        read_pipeline(tmp_path / name)
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_missing_package_is_told_with_how_to_install_it(monkeypatch):
    monkeypatch.setattr(augment_albumentations, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"pip install 'fieldmark\[albumentations\]'"):
        AUGMENTS.build("cifar-albumentations", {}, SEEN)


def test_without_a_pipeline_the_preset_says_where_to_give_one():
    with pytest.raises(SettingsError, match=r"augment=FILE\.yaml"):
        AUGMENTS.build("albumentations", {}, SEEN)


def test_a_normalised_image_is_brought_back_to_pixels():
    normalise = package.Normalize(SEEN.mean, SEEN.std)
    found = build(normalise)(image(), np.random.default_rng(0))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, image().float(), atol=1e-3, rtol=0)
    tensor = build(normalise, package.ToTensorV2())(image(), np.random.default_rng(0))
    assert torch.equal(tensor, found)


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([package.Normalize((0.5,) * 3, (0.5,) * 3)], "input.normalize=[0.5, 0.5, 0.5, 0.5"),
        ([package.Normalize(SEEN.mean, SEEN.std, p=0.5)], "sometimes bytes and sometimes floats"),
        ([package.ToFloat()], "no plain Normalize made"),
        ([package.Normalize(normalization="min_max")], "neither uint8 nor float32"),
        ([package.FromFloat(dtype="uint16")], "neither uint8 nor float32"),
        ([package.ToGray(num_output_channels=1, p=1.0)], "not three channels"),
        ([package.RandomCrop(40, 40)], "fails on an image of 16 x 16 px"),
    ],
)
def test_a_pipeline_that_gives_no_image_of_this_run_is_told_in_a_sentence(steps, said):
    with pytest.raises(SettingsError) as caught:
        build(*steps)
    assert [mistake.where for mistake in caught.value.mistakes] == ["augment.pipeline"]
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_numbers_that_a_pipeline_normalises_with_are_those_of_the_run():
    text = of(package.Normalize((0.1, 0.2, 0.3), (0.4, 0.5, 0.6)))
    mean, std = normalised_by(text)
    assert mean == pytest.approx((0.1, 0.2, 0.3))
    assert std == pytest.approx((0.4, 0.5, 0.6))
    bytes_wide = of(package.Normalize((25.5,) * 3, (51.0,) * 3, max_pixel_value=1.0))
    assert normalised_by(bytes_wide) == ((0.1,) * 3, (0.2,) * 3)
    assert normalised_by(of(package.HorizontalFlip())) is None


@pytest.mark.parametrize(
    ("stored", "wanted"),
    [("square:20", (20, 20)), ("shorter:20", (20, 30)), ("original", (18, 27))],
)
def test_another_shape_is_resized_and_cropped_as_evaluation_does(stored, wanted):
    seen, picture = InputSpec(stored, 16), image(40, 60)
    found = build(package.NoOp(), seen=seen)(picture, np.random.default_rng(0))
    sides = list(wanted)
    resized = torch.nn.functional.interpolate(
        picture[None].float(), sides, mode="bilinear", antialias=True
    )[0]
    assert (found.float() - centre_crop(resized, 16)).abs().max() <= 1


def test_an_image_that_a_pipeline_fails_on_is_told():
    change = build(package.RandomCrop(16, 16))
    with pytest.raises(DataError, match=r"the pipeline fails on an image of 9 x 8 px \("):
        change(image(8, 9), np.random.default_rng(0))


@pytest.mark.slow
def test_no_server_is_asked_for_another_version():
    code = """
        import sys, urllib.request
        def refuse(*args): raise SystemExit("a server was asked")
        urllib.request.build_opener = refuse
        from fieldmark.data.augment_albumentations import albumentations
        assert "albumentations" not in sys.modules
        albumentations()
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True)
    assert done.returncode == 0, done.stderr
