"""The benchmark's bundles: models with random weights, as fast as trained ones, and a null model."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from controller.errors import ControllerError
from exporter.bundle import Bundle, BundleError

__all__ = ["NULL", "NULL_SAMPLE_BYTES", "make_bundles"]

NULL = "null"
"""A model whose nodes only copy one tensor."""

_NULL_NODES = 4
_NULL_WIDTH = 1024
NULL_SAMPLE_BYTES = 4 * _NULL_WIDTH

# Batches of the null model make larger payloads, up to 3.2 MB.
_NULL_SAMPLES = 784
_MODEL_SAMPLES = 8


def make_bundles(folder: Path, names: Sequence[str], say: Callable[[str], None]) -> Mapping[str, Bundle]:
    """Open the named bundles in `folder`; export the missing ones first.

    Raises:
        ControllerError: An export failed.
    """
    bundles = {}
    for name in names:
        path = folder / name
        try:
            bundles[name] = Bundle.open(path, check="manifest")
        except BundleError:
            say(f"exporting {name} into {path}, once (needs torch)")
            shutil.rmtree(path, ignore_errors=True)
            _export(name, path)
            bundles[name] = Bundle.open(path)
    return bundles


def _export(name: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    model, samples = name, _MODEL_SAMPLES
    if name == NULL:
        file = path.with_suffix(".onnx")
        _write_null_model(file)
        model, samples = str(file), _NULL_SAMPLES
    done = subprocess.run(
        [sys.executable, "-m", "exporter", "export", model, "--samples", str(samples), "--out", str(path)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"},
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1].removeprefix("error: ")
        raise ControllerError(f"cannot export the benchmark's bundle {name}: {last}")


def _write_null_model(path: Path) -> None:
    import onnx
    from onnx import helper

    nodes = [helper.make_node("Identity", [f"t{i}"], [f"t{i + 1}"]) for i in range(_NULL_NODES)]
    ends = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", _NULL_WIDTH])
        for name in ("t0", f"t{_NULL_NODES}")
    ]
    graph = helper.make_graph(nodes, NULL, ends[:1], ends[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
