"""Verification catches a shard that computes something else, when only numbers can."""

import dataclasses
import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest

from exporter.bundle import Bundle
from exporter.bundle.manifest import FileEntry, encode, file_digest
from exporter.cli import main
from exporter.errors import VerifyError
from exporter.export import ExportSettings, export
from exporter.models.zoo import ZOO, CutCounts
from exporter.split_argument import parse_splits
from exporter.verify import TOLERANCE, verify

_Plant = Callable[[onnx.ModelProto], None]


@pytest.fixture(scope="module")
def mobilenet(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("zoo")
    return export(ExportSettings("mobilenet_v2", folder / "b", input_size=32, dataset="digits", samples=16))


@pytest.fixture(scope="module")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("zoo")
    return export(ExportSettings("resnet18", folder / "b", input_size=32, dataset="digits", samples=16))


@pytest.mark.parametrize(("name", "where"), [("mobilenet", "blocks"), ("resnet", "all")])
def test_two_models_verify(name: str, where: str, request: pytest.FixtureRequest) -> None:
    """`make verify-models` verifies all models at every cut."""
    bundle: Bundle = request.getfixturevalue(name)
    counts = [len(point.tensors) for point in bundle.cut_points]
    assert CutCounts(bundle.node_count, counts.count(1), counts.count(2)) == ZOO[bundle.manifest.model].cuts
    splits = parse_splits(bundle, where)
    assert len(splits) > 10
    found = verify(bundle, splits)
    assert found.splits == len(splits)
    assert found.graph is not None and found.graph.error <= TOLERANCE
    assert found.chains is not None and found.chains.error <= TOLERANCE


def test_an_untrained_bundle_says_so_and_still_has_a_signal(mobilenet: Bundle) -> None:
    assert not mobilenet.manifest.trained
    assert "batch norm statistics of 52 layers from digits" in mobilenet.manifest.made.weights
    answers = mobilenet.samples().answers["output"]
    assert answers.std(axis=0).max() > 0.01 * np.abs(answers).max()


@pytest.mark.parametrize("name", ["squeezenet1_1", "shufflenet_v2_x0_5"])
def test_cut_counts_of_other_models(tmp_path: Path, name: str) -> None:
    bundle = export(ExportSettings(name, tmp_path / "b", input_size=64, dataset="digits", samples=8))
    counts = [len(point.tensors) for point in bundle.cut_points]
    assert CutCounts(bundle.node_count, counts.count(1), counts.count(2)) == ZOO[name].cuts
    stored = sum(entry.size_bytes for file, entry in bundle.files.items() if file != "samples.npz")
    assert stored <= 1.1 * bundle.manifest.weights_bytes + 5_000_000


def _shifted_weights(model: onnx.ModelProto) -> None:
    """Let one initializer point at the weights of another."""
    first, second = [each for each in model.graph.initializer if each.external_data and len(each.dims) == 4][
        :2
    ]
    offsets = {entry.key: entry for entry in first.external_data}
    other = {entry.key: entry.value for entry in second.external_data}
    offsets["offset"].value = other["offset"]


def _lower_ceiling(model: onnx.ModelProto) -> None:
    """Let a ReLU6 cut off at another value: it runs, and hardly anything changes."""
    for initializer in model.graph.initializer:
        if initializer.name.startswith("max_val") or initializer.raw_data == np.float32(6).tobytes():
            initializer.raw_data = np.float32(0.5).tobytes()
            return
    raise AssertionError("no ReLU6 in this shard")


@pytest.mark.parametrize(
    ("member", "plant"),
    [
        ("0-38.onnx", _shifted_weights),
        ("38-100.onnx", _shifted_weights),
        ("38-100.onnx", _lower_ceiling),
    ],
)
def test_a_wrong_shard_with_right_digests_is_caught(
    mobilenet: Bundle, tmp_path: Path, member: str, plant: _Plant
) -> None:
    bundle = _replant(mobilenet, tmp_path / "planted", member, plant)
    assert Bundle.open(bundle.path).digest != mobilenet.digest  # every digest is right again
    verify(bundle, [(37,), (39,)])
    with pytest.raises(VerifyError, match=r"chain against whole graph at cut 38: error .* in tensor"):
        verify(bundle, [(37,), (38,), (39,)])


def test_answers_that_pytorch_did_not_give_are_caught(resnet: Bundle, tmp_path: Path) -> None:
    path = Path(shutil.copytree(resnet.path, tmp_path / "copy"))
    with np.load(path / "samples.npz") as archive:
        arrays = dict(archive)
    arrays["torch.output"] = arrays["torch.output"] * 1.001
    np.savez(path / "samples.npz", **arrays)
    with pytest.raises(VerifyError, match='whole graph against PyTorch: error 1.0e-03 in tensor "output"'):
        verify(Bundle.open(path, check="manifest"), [])


def test_verify_on_the_command_line(mobilenet: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(mobilenet.path), "--splits", "features.3,38"]) == 0
    shown = capsys.readouterr().out
    assert "verified on 1 split" in shown
    assert "worst of whole graph against PyTorch" in shown
    assert "worst of chain against whole graph at cut 16,38" in shown


def test_cuts_as_json_are_a_list_with_one_object_a_point(
    mobilenet: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cuts", str(mobilenet.path), "--json"]) == 0
    points = json.loads(capsys.readouterr().out)
    assert [point["index"] for point in points] == list(range(1, 100))
    assert set(points[0]) == {field.name for field in dataclasses.fields(mobilenet.cut_points[0])}
    assert points[37] == json.loads(msgspec.json.encode(mobilenet.cut_points[37]))
    assert points[37]["module"] == "features.7.conv.3"
    assert points[37]["tensors"][0]["shape"] == ["batch", 64, 2, 2]
    assert main(["cuts", str(mobilenet.path)]) == 0
    table = capsys.readouterr().out
    assert "100 nodes: 49 clean, 50 wide (50 of two tensors)" in table


def _replant(bundle: Bundle, target: Path, member: str, plant: _Plant) -> Bundle:
    """Copy a bundle with one shard changed, and make all digests anew."""
    shutil.copytree(bundle.path, target)
    digests = dict(bundle.manifest.shards)
    with (
        zipfile.ZipFile(bundle.path / "shards.zip") as old,
        zipfile.ZipFile(target / "shards.zip", "w") as new,
    ):
        for name in old.namelist():
            content = old.read(name)
            if name == member:
                model = onnx.load_from_string(content)
                plant(model)
                content = model.SerializeToString()
                digests[name.removesuffix(".onnx")] = hashlib.sha256(content).hexdigest()
            new.writestr(name, content)
    zipped = target / "shards.zip"
    files = bundle.files | {"shards.zip": FileEntry(file_digest(zipped), zipped.stat().st_size)}
    content, _ = encode(dataclasses.replace(bundle.manifest, shards=digests, files=files))
    (target / "manifest.json").write_bytes(content)
    return Bundle.open(target)
