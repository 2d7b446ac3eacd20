"""`split`: partitions that plain ONNX Runtime runs, with nothing of ours around."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from exporter.bundle import Bundle
from exporter.cli import main
from exporter.export import ExportSettings, export


@pytest.fixture(scope="module")
def squeezenet(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("zoo")
    return export(ExportSettings("squeezenet1_1", folder / "b", input_size=32, dataset="digits", samples=8))


@pytest.mark.parametrize("inside", [False, True])
def test_the_partitions_of_a_wide_split_run_in_plain_onnx_runtime(
    squeezenet: Bundle, tmp_path: Path, inside: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "parts"
    options = ["--self-contained"] if inside else []
    assert main(["split", str(squeezenet.path), "--at", "8,features.6", "--out", str(out), *options]) == 0
    moved = Path(shutil.move(out, tmp_path / "another place"))  # taken home
    listing = json.loads((moved / "partitions.json").read_text())
    files = [entry["file"] for entry in listing["partitions"]]
    assert [Path(line).name for line in capsys.readouterr().out.splitlines()] == files
    assert len(files) == 3
    samples = squeezenet.samples()
    values = dict(samples.inputs)
    for file in files:
        onnx.checker.check_model(moved / file, full_check=True)
        session = ort.InferenceSession(moved / file, providers=["CPUExecutionProvider"])
        names = [value.name for value in session.get_outputs()]
        wanted = {value.name: values[value.name] for value in session.get_inputs()}
        values = dict(zip(names, session.run(None, wanted), strict=True))
    np.testing.assert_allclose(values["output"], samples.answers["output"], rtol=1e-4, atol=1e-5)
    assert any(len(entry["inputs"]) == 2 for entry in listing["partitions"])
    assert {path.suffix for path in moved.iterdir()} == {".onnx", ".json"} | (set() if inside else {".bin"})


def test_partitions_hold_their_own_weights_only(squeezenet: Bundle, tmp_path: Path) -> None:
    assert main(["split", str(squeezenet.path), "--at", "20", "--out", str(tmp_path / "parts")]) == 0
    sizes = [path.stat().st_size for path in (tmp_path / "parts").glob("*.weights.bin")]
    assert len(sizes) == 2
    modes = {path.stat().st_mode for path in (tmp_path / "parts").iterdir()}
    assert len(modes) == 1  # all can be read by whoever can read one
    assert sum(sizes) < 1.05 * squeezenet.manifest.weights_bytes


@pytest.mark.parametrize(
    ("at", "says"),
    [
        ("65,70", "cut points 1 to 64"),
        ("30,20", "not in order"),
        ("featurs.6", 'did you mean "features.6"'),
    ],
)
def test_a_wrong_split_leaves_nothing(
    squeezenet: Bundle, tmp_path: Path, at: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["split", str(squeezenet.path), "--at", at, "--out", str(tmp_path / "parts")]) == 2
    shown = capsys.readouterr().err
    assert says in shown
    assert shown.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
