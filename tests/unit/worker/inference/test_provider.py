"""A provider counts only when a session reports it as its own."""

from pathlib import Path

import onnxruntime
import pytest

from tests.unit.worker.tiny import shard_graph
from worker.__main__ import main
from worker.inference.provider import available_providers, check_used
from worker.inference.stage import Stage
from worker.wire.errors import RefusedError

# The tests' ONNX Runtime is the one without CUDA.
CPU_ONLY = onnxruntime.get_available_providers()


def test_a_device_is_refused_a_provider_that_it_lacks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert available_providers() == ("cpu",)
    store = tmp_path / "store"
    asked = ["serve", "--name", "pi7", "--store", str(store), "--control-port", "0", "--data-port", "0"]
    assert main([*asked, "--provider", "cuda"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: device pi7 has no provider 'cuda'") and said.count("\n") == 1
    assert "has cpu" in said and "onnxruntime-gpu" in said
    assert not store.exists()


@pytest.mark.filterwarnings("ignore:Specified provider:UserWarning")
def test_a_session_that_falls_back_to_the_cpu_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    # As with onnxruntime-gpu on a host whose driver cannot be used: offered, and then not taken.
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", *CPU_ONLY])
    assert available_providers() == ("cpu", "cuda")
    with pytest.raises(RefusedError, match=r"shard 0-1 runs on CPU\w+ and not on CUDA\w+.*nvidia-smi"):
        Stage(shard_graph(0, 1), None, threads=1, label="shard 0-1", provider="cuda")


def test_the_provider_that_a_session_names_first_is_the_one_that_counts() -> None:
    check_used("cuda", ["CUDAExecutionProvider", "CPUExecutionProvider"], label="s")
    with pytest.raises(RefusedError):
        check_used("cuda", ["CPUExecutionProvider", "CUDAExecutionProvider"], label="s")
    with pytest.raises(RefusedError, match="nothing"):
        check_used("cpu", [], label="s")
