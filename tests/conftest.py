import gc
import os

import pytest

gc.set_threshold(20_000, 20, 20)  # to look for garbage as often as ever took a tenth of the time

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two processes of tests share two cores
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # else its import asks a server for its version


@pytest.fixture(scope="session", autouse=True)
def _bare_charts():
    """The charts of pages are empty, but inside `drawn_charts`."""
    import barecharts

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("matplotlib.figure.Figure.savefig", barecharts.bare)
        yield


@pytest.fixture(scope="session", autouse=True)
def _a_cache_of_its_own(tmp_path_factory):
    """No test reads or fills the user's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIELDMARK_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """The folder of 48 images in three classes, for tests that leave it as it is."""
    from smallruns import draw_photos  # it imports torch, which not every test needs

    return draw_photos(tmp_path_factory.mktemp("drawn") / "photos")
