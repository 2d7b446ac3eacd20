"""Fixtures of the worker's unit tests."""

import pytest

from tests.unit.worker.tiny import TinyBundle, make_bundle


@pytest.fixture(scope="session")
def tiny_bundle() -> TinyBundle:
    return make_bundle()
