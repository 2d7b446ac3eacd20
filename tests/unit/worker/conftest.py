"""Fixtures of the worker's unit tests."""

import logging
from collections.abc import Iterator

import pytest

from tests.unit.worker.tiny import TinyBundle, make_bundle


@pytest.fixture(scope="session")
def tiny_bundle() -> TinyBundle:
    return make_bundle()


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """A worker's command line, called here, logs to this test's stderr: no later test is to."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)
