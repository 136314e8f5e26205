"""Loops that tests compile are kept in a folder of their own."""

import pytest


@pytest.fixture(autouse=True, scope="session")
def loop_folder(tmp_path_factory, worker_id):
    """A folder that is empty when the tests begin, and shared by their processes."""
    folder = tmp_path_factory.getbasetemp()
    folder = (folder if worker_id == "master" else folder.parent) / "loops"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINYGRAD_RNN_CACHE", str(folder))
        yield folder
