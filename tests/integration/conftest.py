"""Fixtures of all integration tests: workers that stand throughout, and such as may be hurt."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.labs import NAMES, LabWorker, running_workers, write_lab

# A shell that runs tests in the background has Ctrl-C ignored, and every process that they start inherits it.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, LabWorker]]:
    """Workers `pi`, `server` and `desk` of all tests that leave them as they are."""
    with running_workers(tmp_path_factory.mktemp("lab"), (*NAMES, "desk")) as workers:
        yield workers


@pytest.fixture
def lab(standing: dict[str, LabWorker], tmp_path: Path) -> Path:
    """The file of a lab of `pi` and `server`, which stand throughout."""
    return write_lab(tmp_path, [standing[name] for name in NAMES])


@pytest.fixture
def lab_of_three(standing: dict[str, LabWorker], tmp_path: Path) -> Path:
    """The same with `desk`."""
    return write_lab(tmp_path, standing.values())


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[dict[str, LabWorker]]:
    """`pi` and `server` of this test alone."""
    with running_workers(tmp_path) as started:
        yield started
