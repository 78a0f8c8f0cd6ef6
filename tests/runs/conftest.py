import pytest
from smallruns import STAGED, draw_photos, train


@pytest.fixture(scope="session")
def weights(photos, tmp_path_factory):
    """The words for a network that was trained on other classes, whose head is trained by epochs
    and validated on images that are put aside."""
    others = draw_photos(tmp_path_factory.mktemp("others"), seed=5)
    (others / "red").rename(others / "rot")
    (others / "grey").mkdir()
    for place, path in enumerate(sorted((others / "blue").iterdir())[:8]):
        path.rename(others / "grey" / f"{place}.png")
    run = train(others, tmp_path_factory.mktemp("weights"), "run", epochs="2")
    file = run.path / "model.safetensors"
    way = ("features.solver=epochs", "data.val=hold", "train.wise=false")
    return ("model.name=small_cnn", f"model.weights={file}", *way)


@pytest.fixture(scope="session")
def unbroken(photos, weights, tmp_path_factory):
    return train(
        photos,
        tmp_path_factory.mktemp("unbroken"),
        "whole",
        *weights,
        *STAGED,
        epochs=None,
        page=True,
    )
