"""What PyTorch RPC cannot do as the backend, and says before anything is measured."""

import socket
from pathlib import Path

import pytest

from controller.results import BaselineTrial, Results
from tests.integration.commands import sweep
from tests.integration.labs import LabWorker, tiny_lab, write_lab
from tests.integration.torch_rpc.conftest import WriteExperiment
from tests.integration.torch_rpc.rpc import assert_one_line


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        (
            {"backends": ["torch_rpc", "grpc"]},
            "key 'backends[1]': invalid enum value 'grpc'; allowed: socket, torch_rpc",
        ),
        ({"backends": []}, "key 'backends'"),
        ({"rpc": {"port": 0}}, "key 'rpc.port': expected a whole number >= 1"),
        ({"rpc": {"thread": 4}}, "unknown key 'rpc.thread'; did you mean 'threads'?"),
        ({"rpc": {"transport": "udp"}}, "key 'rpc.transport': invalid enum value 'udp'; allowed: any, tcp"),
        ({"codecs": ["none", "uint8"]}, "which have no codec 'uint8'"),
        ({"networks": ["ideal", "slow"]}, "network 'slow' would not hold"),
        ({"source": "controller"}, "use source: first and topology chain with it"),
        ({"topologies": ["hub"]}, "use source: first and topology chain with it"),
    ],
)
def test_what_rpc_cannot_do_is_refused_before_any_device_is_asked(
    write: WriteExperiment,
    standing: dict[str, LabWorker],
    bundles_folder: Path,
    tmp_path: Path,
    keys: dict[str, object],
    says: str,
) -> None:
    nowhere = {"control_port": 9, "data_port": 10}
    lab = write_lab(tmp_path, [standing[name].device() | nowhere for name in ("pi", "server")])
    assert_one_line(sweep(write(**keys), lab, bundles_folder), says)
    assert not (tmp_path / "results.sqlite").exists()


@pytest.mark.parametrize(
    ("torch", "says"),
    [
        # As Python finds it, where it is not installed.
        (None, "backend torch_rpc needs PyTorch, which this device lacks"),
        (
            "raise ImportError('libtorch_cpu.so is missing')",
            "cannot be imported (libtorch_cpu.so is missing)",
        ),
        # As builds for some systems are.
        ("import torch.distributed; torch.distributed.rpc.is_available = lambda: False", "has no RPC"),
    ],
)
def test_a_device_without_rpc_is_named_before_anything_is_measured(
    write: WriteExperiment,
    bundles_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    torch: str | None,
    says: str,
) -> None:
    without = tmp_path / "without"
    without.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(without))
    if torch is None:
        hook = "import sys; sys.modules['torch'] = None"
    elif torch.startswith("raise"):
        (without / "torch.py").write_text(torch)
        hook = ""
    else:
        hook = f"import sys\nif 'worker.rpc' in sys.orig_argv:\n    {torch}\n"
    (without / "sitecustomize.py").write_text(hook)
    experiment = write(depths=[1], splits=[1])
    with tiny_lab(tmp_path) as lab:
        monkeypatch.delenv("PYTHONPATH")
        ended = sweep(experiment, lab, bundles_folder)
        assert_one_line(ended, says)
        assert "error: pi: " in ended.stderr
        with Results.open(tmp_path / "results.sqlite") as results:
            assert not results.finished()
            assert not results.rows(BaselineTrial)


def test_a_port_that_is_taken_is_named(write: WriteExperiment, lab: Path, bundles_folder: Path) -> None:
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        ended = sweep(write(rpc={"port": port}), lab, bundles_folder)
        assert_one_line(ended, f"pi: PyTorch RPC cannot listen on port {port} (Address already in use)")
