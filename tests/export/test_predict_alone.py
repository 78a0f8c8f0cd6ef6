"""The predict.py that lies in an export: without Fieldmark and torch, the same labels."""

import csv
import io
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms
from tinyexports import mean_colours

import fieldmark
from fieldmark.export.exported import ALONE
from fieldmark.use.predictor import Failure

DATA = Path(__file__).parents[2].parent / "shared" / "data"


def exported(folder, **about):
    folder = mean_colours(folder, **about)
    shutil.copy(ALONE, folder / "predict.py")
    return folder


def answered(python, folder, pictures):
    """The rows by picture, and what was said beside them."""
    words = [python, str(folder / "predict.py"), *map(str, pictures)]
    done = subprocess.run(words, capture_output=True, check=False)
    rows = list(csv.DictReader(io.StringIO(done.stdout.decode())))
    assert done.returncode == int(len(rows) < len(pictures)), done.stderr
    return {row["image"]: row for row in rows}, done.stderr.decode()


@pytest.fixture
def pictures(tmp_path):
    """Pictures of many kinds, each with a colour that tells whether it was read rightly."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 255, (90, 60, 3), dtype=np.uint8)
    rgb = Image.fromarray(pixels)
    rgb.save(folder / "plain.png")
    large = rgb.resize((1200, 900))
    large.save(folder / "large.jpg")
    turned = Image.Exif()
    turned[0x0112] = 6
    large.save(folder / "turned.jpg", exif=turned)
    clear = rgb.copy()
    clear.putalpha(Image.fromarray(pixels[..., 0]))
    clear.save(folder / "clear.webp", lossless=True)
    rgb.quantize(8).save(folder / "palette.png", transparency=0)
    rgb.convert("CMYK").save(folder / "cmyk.jpg")
    rgb.convert("1").save(folder / "bits.png")
    deep = (pixels[..., 0].astype(np.uint16) * 257) // 2
    Image.fromarray(deep).save(folder / "deep.png")
    rgb.save(folder / "moving.gif", save_all=True, append_images=[large.resize((60, 90))])
    wide = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    rgb.save(folder / "odd-profile.png", icc_profile=wide)
    rgb.save(folder / "bad-profile.png", icc_profile=b"no profile")
    (folder / "Été à la mer 海.png").write_bytes((folder / "plain.png").read_bytes())
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xffno")
    return sorted(folder.iterdir())


def same_answers(rows, predictor, pictures):
    wanted = {each.image: each for each in predictor.predict(list(map(str, pictures)))}
    answers = {name: each for name, each in wanted.items() if not isinstance(each, Failure)}
    assert rows.keys() >= answers.keys()
    assert len(answers) > 5
    for name, answer in answers.items():
        label = "|".join(answer.labels) if predictor.several else answer.label
        assert rows[name]["labels" if predictor.several else "label"] == label, name
        assert float(rows[name]["score"]) == pytest.approx(answer.score, abs=1e-4), name


def test_it_is_short_enough_to_be_read():
    assert len(ALONE.read_text().splitlines()) < 60


@pytest.mark.filterwarnings("ignore:1 of .* images got no answer")
def test_pictures_of_all_kinds_have_the_answers_that_fieldmark_gives(tmp_path, pictures):
    folder = exported(tmp_path / "e")
    rows, told = answered(sys.executable, folder, pictures)
    same_answers(rows, fieldmark.load(folder), pictures)
    assert "broken.jpg: " in told
    assert "broken.jpg" not in str(rows)


@pytest.mark.filterwarnings("ignore:1 of .* images got no answer")
def test_several_labels_are_those_that_reach_their_thresholds(tmp_path, pictures):
    thresholds = {"red": 0.6, "green": 0.61, "blue": 0.62}
    folder = exported(tmp_path / "e", task="multi-label", thresholds=thresholds)
    rows, _ = answered(sys.executable, folder, pictures)
    same_answers(rows, fieldmark.load(folder), pictures)
    assert len({row["labels"] for row in rows.values()}) > 1


def test_without_a_picture_it_says_how_it_is_called(tmp_path):
    words = [sys.executable, str(exported(tmp_path / "e") / "predict.py")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    wanted = "no picture; write: python predict.py PICTURES > labels.csv\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", wanted)


@pytest.fixture(scope="module")
def python_alone(tmp_path_factory):
    """An environment with onnxruntime, numpy and Pillow alone. -> its python"""
    if shutil.which("uv") is None:
        pytest.skip("uv is not there")
    folder = tmp_path_factory.mktemp("alone") / "env"
    python = folder / "bin" / "python"
    packages = ["onnxruntime", "numpy", "pillow"]
    for words in (
        ["uv", "venv", str(folder)],
        ["uv", "pip", "install", "--python", str(python), *packages],
    ):
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no environment can be made here: {done.stderr.splitlines()[-1:]}")
    return str(python)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.* images got no answer")
def test_it_needs_no_torch_and_no_fieldmark(tmp_path, pictures, python_alone):
    lacks = "import importlib.util as u; print([u.find_spec(n) for n in ('torch', 'fieldmark')])"
    words = [python_alone, "-I", "-c", lacks]
    assert subprocess.run(words, capture_output=True, text=True).stdout == "[None, None]\n"
    folder = exported(tmp_path / "e")
    rows, _ = answered(python_alone, folder, pictures)
    same_answers(rows, fieldmark.load(folder), pictures)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.* images got no answer")
@pytest.mark.parametrize("name", ["odd_files", "monkeys10/val"])
def test_real_files_have_the_answers_that_fieldmark_gives(tmp_path, python_alone, name):
    if not (DATA / name).is_dir():
        pytest.skip(f"{DATA / name} is not there")
    files = (each for each in (DATA / name).rglob("*") if each.is_file())
    pictures = sorted(each for each in files if each.suffix != ".csv")[:100]
    folder = exported(tmp_path / "e")
    rows, _ = answered(python_alone, folder, pictures)
    same_answers(rows, fieldmark.load(folder), pictures)
    assert rows.keys() <= {str(each) for each in pictures}
