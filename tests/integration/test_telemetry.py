"""ONNX Runtime tells nobody what it is given."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    "module", ["worker.inference.stage", "exporter.bundle.chain", "controller.pipeline.accuracy"]
)
def test_onnx_runtime_keeps_no_log_of_what_it_loads(module: str, tmp_path: Path) -> None:
    # CI, too, would keep it from it.
    unset = ("CI", "ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    program = f"import {module}, onnxruntime; onnxruntime.SessionOptions()"
    subprocess.run(
        [sys.executable, "-c", program], env=environment | {"HOME": str(tmp_path)}, check=True, timeout=120
    )
    assert not (tmp_path / ".cache").exists()
