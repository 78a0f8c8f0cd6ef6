import shutil

import pytest
from smallruns import draw_photos, train

from fieldmark.rundir import RunDir


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A run on drawn images, in a folder whose name nobody else is to read."""
    home = tmp_path_factory.mktemp("secret-home")
    photos = draw_photos(home / "my-photos", each=30)
    return train(photos, home / "runs", "colours", epochs="2")


@pytest.fixture
def run(trained, tmp_path):
    """A copy of that run, for a test to change."""
    return RunDir(shutil.copytree(trained.path, tmp_path / "colours"))
