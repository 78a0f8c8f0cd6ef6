import pytest
from smallruns import draw_photos


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    return draw_photos(tmp_path_factory.mktemp("drawn") / "photos")
