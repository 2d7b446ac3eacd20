"""A lab of virtual Pis for each file of tests that asks for one."""

from collections.abc import Iterator

import pytest

from tests.lab.virtual_lab import VirtualLab


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualLab]:
    """Three virtual Pis, up, with nothing of ours on them."""
    lab = VirtualLab(tmp_path_factory.mktemp("a lab") / "edge cut")
    with lab.up():
        yield lab
