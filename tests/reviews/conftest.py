"""What tests of reviews share."""

import pytest
from comparedruns import write_run


@pytest.fixture
def pair_of(tmp_path):
    def make(first, second, **settings):
        return (
            write_run(tmp_path / "a", first),
            write_run(tmp_path / "b", second, **settings),
        )

    return make
