"""An experiment over both backends, after which no process of PyTorch RPC is left."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.labs import write_experiment
from tests.integration.ports import free_ports
from tests.integration.torch_rpc.rpc import rpc_processes
from tests.integration.waiting import wait_until

WriteExperiment = Callable[..., Path]


@pytest.fixture
def port() -> int:
    """A port that nothing listens on."""
    return free_ports()


@pytest.fixture
def write(tmp_path: Path, port: int) -> WriteExperiment:
    """Writes an experiment over both backends; keys given replace its own."""

    def write(**keys: object) -> Path:
        usual: dict[str, object] = {
            "networks": ["ideal"],
            "splits": [2],
            "depths": [1, 4],
            "batches": [2],
            "backends": ["socket", "torch_rpc"],
            "rpc": {"port": port},
            "requests": 30,
            "samples": 4,
        }
        return write_experiment(tmp_path, "ideal: {}\nslow: {delay_ms: 5}\n", **usual | keys)

    return write


@pytest.fixture(autouse=True)
def fixture_nothing_is_left() -> Iterator[None]:
    yield
    wait_until(lambda: not rpc_processes())
