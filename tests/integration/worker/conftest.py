"""Fixtures of the worker's integration tests: real processes, real sockets, real ONNX Runtime."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.labs import LabWorker
from tests.integration.worker.chains import Chain
from tests.unit.worker.tiny import TinyBundle, make_bundle

StartWorker = Callable[..., LabWorker]
StartChain = Callable[..., Chain]


@pytest.fixture(scope="session")
def tiny_bundle() -> TinyBundle:
    return make_bundle()


@pytest.fixture
def start_worker(tmp_path: Path) -> Iterator[StartWorker]:
    """Starts workers by name; they are ended with the test."""
    started: list[LabWorker] = []

    def start(name: str, *options: str, bundle: TinyBundle | None = None) -> LabWorker:
        if bundle is not None:
            bundle.write_to(tmp_path / name)
        worker = LabWorker(tmp_path, name, *options)
        started.append(worker)
        return worker

    yield start
    for worker in started:
        worker.kill()


@pytest.fixture
def start_chain(start_worker: StartWorker) -> Iterator[StartChain]:
    """Starts as many workers as asked for, each with the bundle in its store, and claims them."""
    chains: list[Chain] = []

    def start(count: int, bundle: TinyBundle, *options: str) -> Chain:
        workers = [start_worker(f"worker{index}", *options, bundle=bundle) for index in range(count)]
        chains.append(Chain(workers, bundle))
        return chains[-1]

    yield start
    for chain in chains:
        chain.close()
