"""Nothing heavy is imported before it is needed. One process does it all, in this order."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

# a name, what is done, and the modules that are still not there then
STEPS = (
    (
        "calibrate is imported and fits nothing",
        "import fieldmark.judge.calibrate",
        "scipy torch",
    ),
    (
        "the networks of torchvision are listed and their options read",
        """
from fieldmark.models.catalog import MODELS, family, rows, side_mistake
rows()
assert MODELS.read("vgg16", {"dropout": 0.1}) == ({"dropout": 0.1}, [])
assert MODELS.read("nature_cnn", {"kernel_size": "5"}) == ({"kernel_size": 5}, [])
assert side_mistake("nature_cnn", {"kernel_size": 5}, 32)
""",
        "torch torchvision",
    ),
    (
        "networks that are not timm's are listed",
        """
from fieldmark.models import published
rows("res")
MODELS.read("resnet18", {})
family("resnet18")
""",
        "torch timm huggingface_hub",
    ),
    (
        "the command lists networks",
        "from fieldmark.cli.models import print_rows; print_rows('')",
        "torch torchvision timm",
    ),
    (
        "the page of inspect is drawn",
        """
from fieldmark.report.inspect_page import InspectPage, render
render(InspectPage("", "", "", {}, [(3, 4, 1), (4, 3, 1)], {}, 0, (), (), (), {}, ""))
""",
        "torch matplotlib",
    ),
    (
        "the curves of a page are imported",
        "from fieldmark.report.curves import curves",
        "torch matplotlib",
    ),
    (
        "the curves of a page are drawn",
        """
import fieldmark.report.page
assert curves([{"epoch": 1, "train_loss": 1.0}], "accuracy", None)
""",
        "torch matplotlib.pyplot",
    ),
    ("the command line is imported", "from fieldmark.cli.main import run", "torch timm"),
    (
        "what needs no network is refused",
        """
bundle, photos = made_bundle(), made_photos()
for words in (
    ["predict", bundle, photos, "--sets", "90"],
    ["predict", bundle, photos, "--abstain", "95"],
    ["predict", bundle, photos, "--unlike"],
    ["predict", bundle, photos, "--at-least-one"],
    ["predict", bundle, photos, "--format", "kaggle"],
    ["predict", bundle, "nothere.jpg"],
    ["predict", photos, bundle],
    ["predict", photos, photos],
    ["explain", bundle, photos, "--class", "patas_monky"],
    ["explain", bundle, "nothere.jpg"],
    ["explain", bundle, photos, "--method", "grad-kam"],
    ["explain", bundle, photos, "--method", "occlusion", "--layer", "conv1"],
    ["explain", bundle, photos, "--out", photos],
    ["explain", photos, bundle],
    ["evaluate", photos, bundle],
    ["evaluate", photos, "--unknown", bundle],
    ["evaluate", bundle, "nothere"],
    ["evaluate", run_of(made_bundle()), "--unknown", "nothere"],
    ["evaluate", "nothere", photos],
    ["evaluate", bundle, photos, "--sets", "90"],
    ["export", "nothere"],
    ["export", bundle, "--to", "h5"],
    ["export", bundle, "--to", "pth", "--out", photos],
    ["options", "export", "h5"],
    ["serve", "nothere"],
    ["serve", bundle, "--queue", "8"],
    ["serve", bundle, "--top", "9"],
    ["serve", bundle, "--token-file", "nothere"],
    ["serve", bundle, "--port", "0", "--abstain", "95"],
    ["train", "--resume", "nothere"],
    ["train", photos, "--corrections", "nofile.csv"],
    ["train", "nothere", "--epochs", "x"],
    ["cross-validate", photos, "data.corrections=nofile.csv"],
    ["train", photos, "foo=1"],
    ["train", photos, "train.epoch=3"],
    ["train", photos, "--model", "resnet81"],
    ["train", photos, "--epochs", "x"],
    ["train", photos, "--lr", "x"],
    ["train", photos, "--optimizer", "adamx"],
    ["train", photos, "--schedule", "linear"],
    ["train", photos, "--loss", "ce"],
    ["train", photos, "--augment", "huge"],
    ["train", photos, "--images", "nothere"],
    ["train", made_table(), "data.label_column=nothere"],
    ["train", photos, "--weights", "nofile.pth"],
    ["train", photos, "--name", "a/b"],
    ["train", photos, "train.monitor=acuracy"],
    ["train", photos, "--gpu", "0"],
    ["train"],
    ["train", "https://example.org/photos"],
    ["inspect", "https://example.org/photos"],
    ["predict", bundle, "https://example.org/a.jpg"],
    ["predict", bundle, photos, "--top", "3"],
    ["predict", bundle, photos, "--continue"],
    ["predict", bundle, photos, "--move"],
    ["predict", bundle, photos, "--watch"],
    ["predict", bundle + "/model.json", photos],
    ["cross-validate", photos, "foo=1"],
    ["one-vs-rest", photos, "--epochs", "x"],
    ["grid", photos, "--over", "foo=1,2", "--epochs", "x"],
    ["suspects", "nothere"],
    ["compare", "nothere", bundle],
    ["report", "nothere"],
    ["models", "zzz"],
    ["options", "zzz"],
    ["options", "optimizer", "zzz"],
    ["fit", photos],
):
    assert run(words) == 2, words
""",
        "torch torchvision timm",
    ),
    (
        "an export answers",
        f"""
from importlib.util import find_spec
if find_spec("onnx") and find_spec("onnxruntime"):
    sys.path.append({str(Path(__file__).parent)!r})
    from pathlib import Path
    from tinyexports import mean_colours
    photos = made_photos()
    folder = mean_colours(Path(photos, "export"))
    assert run(["predict", str(folder), photos, "--out", str(folder / "t.csv")]) == 0
""",
        "torch torchvision timm sklearn scipy",
    ),
    (
        "options that are not timm's are listed",
        "run(['options', 'model']); run(['options', 'optimizer'])",
        "timm",
    ),
)

MADE = """
def made_bundle():
    import tempfile
    from pathlib import Path
    from fieldmark.files import write_json
    from fieldmark.models.bundle_info import BundleInfo
    from fieldmark.records import InputSpec

    folder = Path(tempfile.mkdtemp(), "run")
    folder.mkdir()
    info = BundleInfo("small_cnn", ("patas_monkey", "red"), InputSpec("square:8", 8))
    write_json(folder / "model.json", info.to_json())
    return str(folder)


def run_of(bundle):
    from pathlib import Path

    (Path(bundle) / "settings.yaml").touch()
    return bundle


def made_photos():
    import tempfile
    from pathlib import Path
    from PIL import Image

    folder = Path(tempfile.mkdtemp())
    Image.new("RGB", (8, 8)).save(folder / "a.png")
    return str(folder)


def made_table():
    from pathlib import Path

    table = Path(made_photos(), "t.csv")
    table.write_text("image,label\\na.png,x\\n")
    return str(table)
"""


@pytest.fixture(scope="module")
def found():
    """Of each step by name, the modules that are there too early."""
    told = "\n".join(
        f"{code}\nfound[{name!r}] = sorted({set(absent.split())!r} & set(sys.modules))"
        for name, code, absent in STEPS
    )
    code = f"import json, sys\n{MADE}\nfound = {{}}\n{told}\nprint('\\n' + json.dumps(found))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", [name for name, _, _ in STEPS])
def test_nothing_is_imported_too_early_where(name, found):
    assert found[name] == []
