import pytest
from servers import picture
from tinybundles import one_label, with_known


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A bundle that knows one picture, and calls others unlike it."""
    photo = tmp_path_factory.mktemp("photo") / "a.png"
    photo.write_bytes(picture())
    return with_known(one_label(tmp_path_factory.mktemp("one") / "run"), photo, most=0.01)
