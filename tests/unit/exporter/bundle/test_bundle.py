"""Opening a bundle: what is checked, what is said, and what comes out."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from exporter.bundle import Bundle, assembly
from exporter.errors import BundleError, RangeError
from exporter.export import ExportSettings, export

SMALL_MODELS = Path(__file__).parents[1] / "small_models.py"


@pytest.fixture
def copy(residual: Bundle, tmp_path: Path) -> Path:
    """A copy of a bundle, to be damaged."""
    return Path(shutil.copytree(residual.path, tmp_path / "copy"))


def test_the_digest_is_that_of_the_manifest_as_canonical_json(residual: Bundle) -> None:
    document = json.loads((residual.path / "manifest.json").read_bytes())
    said, made = document.pop("digest"), document.pop("made")
    assert made["versions"]["onnx"]
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    assert said == residual.digest == hashlib.sha256(canonical).hexdigest()


def test_the_same_weights_exported_again_have_the_same_digest(
    residual: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assembly, "_version", lambda package: "another")
    again = export(ExportSettings(f"{SMALL_MODELS}:residual", tmp_path / "again", samples=12))
    assert again.manifest.made != residual.manifest.made
    assert again.digest == residual.digest
    other = export(ExportSettings(f"{SMALL_MODELS}:residual", tmp_path / "other", samples=12, seed=1))
    assert other.digest != residual.digest


def test_every_file_but_the_manifest_is_listed_with_its_digest(residual: Bundle) -> None:
    names = {path.name for path in residual.path.iterdir()}
    assert names == {"manifest.json", "model.onnx", "weights.bin", "shards.zip", "samples.npz"}
    assert set(residual.files) == names - {"manifest.json"}
    for name, entry in residual.files.items():
        content = (residual.path / name).read_bytes()
        assert entry.digest == hashlib.sha256(content).hexdigest()
        assert entry.size_bytes == len(content)


@pytest.mark.parametrize("name", ["model.onnx", "weights.bin", "shards.zip", "samples.npz"])
def test_an_altered_or_missing_file_is_named(copy: Path, name: str) -> None:
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(BundleError, match=rf"{name}: altered: its digest does not match"):
        Bundle.open(copy)
    Bundle.open(copy, check="manifest")  # a caller that checks the files itself may say so
    (copy / name).unlink()
    with pytest.raises(BundleError, match=rf"{name}: missing"):
        Bundle.open(copy)


def test_an_altered_manifest_is_refused(copy: Path) -> None:
    path = copy / "manifest.json"
    path.write_text(path.read_text().replace('"trained": true', '"trained": false'))
    with pytest.raises(BundleError, match=r"manifest.json: altered"):
        Bundle.open(copy, check="manifest")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "cannot be read as JSON"),
        ("[]", 'format is "None"'),
        ('{"format": "edgecut-bundle/99"}', 'format is "edgecut-bundle/99"'),
    ],
)
def test_a_manifest_that_is_none_says_so(copy: Path, content: str, says: str) -> None:
    (copy / "manifest.json").write_text(content)
    with pytest.raises(BundleError, match=says):
        Bundle.open(copy)


def test_a_manifest_without_a_key_names_it(copy: Path) -> None:
    path = copy / "manifest.json"
    document = json.loads(path.read_bytes())
    del document["cut_points"]
    path.write_text(json.dumps(document))
    with pytest.raises(BundleError, match="cut_points"):
        Bundle.open(copy, check="none")


def test_no_bundle_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"nowhere: not a bundle .*edgecut export"):
        Bundle.open(tmp_path / "nowhere")


def test_shards_of_two_way_splits_are_stored_as_they_would_be_made(residual: Bundle) -> None:
    count = residual.node_count
    stored = {"0-7"} | {f"0-{i}" for i in range(1, count)} | {f"{i}-{count}" for i in range(1, count)}
    assert set(residual.manifest.shards) == stored
    for name in stored:
        start, stop = map(int, name.split("-"))
        shard = residual.shard(start, stop)
        made = residual._cuttable.shard(start, stop, shard.inputs, shard.outputs)
        assert shard.digest == residual.manifest.shards[name] == hashlib.sha256(made).hexdigest()


def test_any_other_range_is_made_on_demand_always_the_same(residual: Bundle) -> None:
    shard = residual.shard(2, 4)
    assert shard.digest == Bundle.open(residual.path).shard(2, 4).digest
    assert shard.digest == hashlib.sha256(shard.graph).hexdigest()
    assert [tensor.name for tensor in shard.inputs] == ["relu"]
    assert [tensor.name for tensor in shard.outputs] == ["relu", "relu_1"]
    assert len(shard.graph) < 4000  # weights stay in weights.bin


def test_a_shard_altered_inside_the_archive_is_named(residual: Bundle, copy: Path) -> None:
    other = Bundle.open(copy)
    other.manifest.shards["0-3"] = "0" * 64
    with pytest.raises(BundleError, match=r"shards.zip: 0-3.onnx is altered"):
        other.shard(0, 3)
    (copy / "shards.zip").write_bytes(b"no archive")
    with pytest.raises(BundleError, match=r"shards.zip: cannot be read"):
        other.shard(0, 2)


@pytest.mark.parametrize("bounds", [(3, 3), (4, 2), (0, 8), (-1, 3)])
def test_a_range_that_is_not_there(residual: Bundle, bounds: tuple[int, int]) -> None:
    with pytest.raises(RangeError, match="empty|out of range"):
        residual.shard(*bounds)


def test_what_crosses_the_ends_is_the_models_signature(residual: Bundle) -> None:
    assert [tensor.name for tensor in residual.tensors_at(0)] == ["x"]
    assert residual.tensors_at(0)[0].concrete(5) == (5, 3, 8, 8)
    assert [tensor.name for tensor in residual.tensors_at(7)] == ["output"]
    assert (residual.label(0), residual.label(7)) == ("input", "output")


@pytest.mark.processes
def test_reading_a_bundle_brings_no_torch(residual: Bundle) -> None:
    code = (
        "import sys; import exporter; from exporter.bundle import Bundle, run_chain\n"
        f"bundle = Bundle.open({str(residual.path)!r}); run_chain(bundle, (2, 4), bundle.samples().inputs)\n"
        "heavy = ('torch', 'torchvision', 'onnxscript', 'sklearn')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
