"""A bundle on a device is held against its digests, file by file."""

import json
from pathlib import Path

import pytest

from tests.unit.worker.tiny import TinyBundle
from worker.__main__ import main
from worker.store.inspection import Findings, inspect_bundle
from worker.store.store import BUNDLE_FILES


@pytest.fixture
def store(tiny_bundle: TinyBundle, tmp_path: Path) -> Path:
    tiny_bundle.write_to(tmp_path)
    return tmp_path


def test_a_whole_bundle_lacks_nothing(tiny_bundle: TinyBundle, store: Path) -> None:
    assert inspect_bundle(store, tiny_bundle.digest) == Findings(lacks=(), altered=())


def test_an_altered_file_and_an_absent_one_are_named(tiny_bundle: TinyBundle, store: Path) -> None:
    folder = store / "bundles" / tiny_bundle.digest
    data = bytearray((folder / "weights.bin").read_bytes())
    data[7] ^= 1
    (folder / "weights.bin").write_bytes(data)
    (folder / "samples.npz").unlink()
    found = inspect_bundle(store, tiny_bundle.digest)
    assert found == Findings(lacks=("weights.bin", "samples.npz"), altered=("weights.bin",))


def test_without_its_manifest_all_of_a_bundle_is_wanted(tiny_bundle: TinyBundle, store: Path) -> None:
    manifest = store / "bundles" / tiny_bundle.digest / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"model": "another"}))
    assert inspect_bundle(store, tiny_bundle.digest) == Findings(BUNDLE_FILES, ("manifest.json",))
    manifest.write_text("{")
    assert inspect_bundle(store, tiny_bundle.digest) == Findings(BUNDLE_FILES, ("manifest.json",))
    manifest.unlink()
    assert inspect_bundle(store, tiny_bundle.digest) == Findings(BUNDLE_FILES, ())


def test_the_command_tells_it_as_json_and_makes_no_store(
    tiny_bundle: TinyBundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "--store", str(tmp_path / "none"), tiny_bundle.digest]) == 0
    assert json.loads(capsys.readouterr().out) == {
        tiny_bundle.digest: {"lacks": list(BUNDLE_FILES), "altered": []}
    }
    assert list(tmp_path.iterdir()) == []
    assert main(["check", "--store", str(tmp_path), "../etc"]) == 2
    assert "is not a digest" in capsys.readouterr().err
