"""The benchmark's bundles: models with random weights, as fast as trained ones, and the null model."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from controller.errors import ControllerError
from exporter.bundle import NULL, Bundle, BundleError, export_null

__all__ = ["NULL", "NULL_SAMPLE_BYTES", "make_bundles"]

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
            shutil.rmtree(path, ignore_errors=True)
            if name == NULL:
                bundles[name] = export_null(path, [_NULL_WIDTH] * (_NULL_NODES + 1), samples=_NULL_SAMPLES)
                continue
            say(f"exporting {name} into {path}, once (needs torch)")
            _export(name, path)
            bundles[name] = Bundle.open(path)
    return bundles


def _export(name: str, path: Path) -> None:
    samples = str(_MODEL_SAMPLES)
    done = subprocess.run(
        [sys.executable, "-m", "exporter", "export", name, "--samples", samples, "--out", str(path)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"},
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1].removeprefix("error: ")
        raise ControllerError(f"cannot export the benchmark's bundle {name}: {last}")
