"""The store: paths are made of digests only, pieces must fit together, and files are held against digests."""

import json
import os
from pathlib import Path

import msgspec
import pytest

from tests.unit.worker.tiny import TinyBundle, sha256
from worker.__main__ import main
from worker.store import BUNDLE_FILES, Findings, Store, inspect_bundle
from worker.wire.errors import MissingError, RefusedError
from worker.wire.messages import Have, PutFile, PutShard, ShardRef


def piece(bundle: TinyBundle, offset: int, data: bytes, *, size_bytes: int | None = None) -> PutFile:
    whole = bundle.files["weights.bin"]
    return PutFile(
        bundle=bundle.digest,
        name="weights.bin",
        digest=sha256(whole),
        size_bytes=len(whole) if size_bytes is None else size_bytes,
        offset=offset,
        data=data,
    )


@pytest.mark.parametrize("digest", ["", "../../etc", "A" * 64, "0" * 63, "0" * 64 + "\n", "0" * 62 + "/x"])
def test_a_digest_is_never_a_path(tmp_path: Path, digest: str, tiny_bundle: TinyBundle) -> None:
    store = Store(tmp_path / "store")
    put = piece(tiny_bundle, 0, b"")
    with pytest.raises(RefusedError, match="is not a digest"):
        store.put_shard(PutShard(digest=digest, graph=b""))
    with pytest.raises(RefusedError, match="is not a digest"):
        store.missing(Have(shards=(digest,)))
    with pytest.raises(RefusedError, match="is not a digest"):
        store.missing(Have(bundles=(digest,)))
    with pytest.raises(RefusedError, match="is not a digest"):
        store.put_file(msgspec.structs.replace(put, bundle=digest))
    with pytest.raises(RefusedError, match="is not a digest"):
        store.load_shard(ShardRef(digest=digest, bundle="", start=0, stop=1))
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["bundles", "shards", "store"]


def test_pieces_must_come_in_order_and_fit(tmp_path: Path, tiny_bundle: TinyBundle) -> None:
    store = Store(tmp_path)
    data = tiny_bundle.files["weights.bin"]
    store.put_file(piece(tiny_bundle, 0, data[:100]))
    for wrong in (piece(tiny_bundle, 200, data[200:]), piece(tiny_bundle, 50, data[50:])):
        with pytest.raises(RefusedError, match="out of order"):
            store.put_file(wrong)
        store.put_file(piece(tiny_bundle, 0, data[:100]))
    for wrong in (piece(tiny_bundle, 100, data), piece(tiny_bundle, -1, data), piece(tiny_bundle, 100, b"")):
        with pytest.raises(RefusedError, match="does not fit"):
            store.put_file(wrong)
    store.put_file(piece(tiny_bundle, 100, data[100:]))
    assert (tmp_path / "bundles" / tiny_bundle.digest / "weights.bin").read_bytes() == data


def test_a_transfer_that_was_cut_starts_again(tmp_path: Path, tiny_bundle: TinyBundle) -> None:
    store = Store(tmp_path)
    data = tiny_bundle.files["weights.bin"]
    store.put_file(piece(tiny_bundle, 0, data[:100]))
    store.put_file(piece(tiny_bundle, 0, data[:300]))
    store.put_file(piece(tiny_bundle, 300, data[300:]))
    assert (tmp_path / "bundles" / tiny_bundle.digest / "weights.bin").read_bytes() == data


def test_a_bundle_without_its_weights_is_missing(tmp_path: Path, tiny_bundle: TinyBundle) -> None:
    store = Store(tmp_path)
    folder = tiny_bundle.write_to(tmp_path)
    have = Have(bundles=(tiny_bundle.digest,))
    assert store.missing(have).bundles == ()
    (folder / "weights.bin").write_bytes(tiny_bundle.files["weights.bin"][:-1])
    assert store.missing(have).bundles == (tiny_bundle.digest,)
    (folder / "weights.bin").unlink()
    with pytest.raises(MissingError, match="weights.bin of bundle"):
        store.load_shard(tiny_bundle.ref(1, 2))


def test_a_file_is_hashed_again_only_when_it_changed(
    tmp_path: Path, tiny_bundle: TinyBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    folder = tiny_bundle.write_to(tmp_path)
    store.load_shard(tiny_bundle.ref(1, 2))
    monkeypatch.setattr("worker.store.hashlib.file_digest", None)
    store.load_shard(tiny_bundle.ref(1, 2))
    (folder / "weights.bin").write_bytes(tiny_bundle.files["weights.bin"])
    with pytest.raises(TypeError):
        store.load_shard(tiny_bundle.ref(1, 2))


def test_an_archive_that_is_none(tmp_path: Path, tiny_bundle: TinyBundle) -> None:
    store = Store(tmp_path)
    folder = tiny_bundle.write_to(tmp_path)
    (folder / "shards.zip").write_bytes(b"PK but not really")
    with pytest.raises(RefusedError, match=r"shards.zip cannot be read .*deploy the bundle again"):
        store.load_shard(tiny_bundle.ref(0, 1))


# --- a bundle on a device, file by file ---


@pytest.fixture
def bundle_store(tiny_bundle: TinyBundle, tmp_path: Path) -> Path:
    tiny_bundle.write_to(tmp_path)
    return tmp_path


def test_a_whole_bundle_lacks_nothing(tiny_bundle: TinyBundle, bundle_store: Path) -> None:
    assert inspect_bundle(bundle_store, tiny_bundle.digest) == Findings(lacks=(), altered=())


def test_an_altered_file_and_an_absent_one_are_named(tiny_bundle: TinyBundle, bundle_store: Path) -> None:
    folder = bundle_store / "bundles" / tiny_bundle.digest
    data = bytearray((folder / "weights.bin").read_bytes())
    data[7] ^= 1
    (folder / "weights.bin").write_bytes(data)
    (folder / "samples.npz").unlink()
    found = inspect_bundle(bundle_store, tiny_bundle.digest)
    assert found == Findings(lacks=("weights.bin", "samples.npz"), altered=("weights.bin",))


def test_what_is_no_file_of_its_own_is_altered_and_not_read(
    tiny_bundle: TinyBundle, bundle_store: Path
) -> None:
    folder = bundle_store / "bundles" / tiny_bundle.digest
    (folder / "weights.bin").rename(bundle_store / "elsewhere")
    (folder / "weights.bin").symlink_to(bundle_store / "elsewhere")
    (folder / "shards.zip").unlink()
    os.mkfifo(folder / "shards.zip")  # reading it would wait for a writer
    (folder / "samples.npz").unlink()
    (folder / "samples.npz").symlink_to("nowhere")
    altered = ("weights.bin", "shards.zip", "samples.npz")
    assert inspect_bundle(bundle_store, tiny_bundle.digest) == Findings(lacks=altered, altered=altered)
    (folder / "manifest.json").unlink()
    os.mkfifo(folder / "manifest.json")
    assert inspect_bundle(bundle_store, tiny_bundle.digest) == Findings(BUNDLE_FILES, ("manifest.json",))


def test_without_its_manifest_all_of_a_bundle_is_wanted(tiny_bundle: TinyBundle, bundle_store: Path) -> None:
    manifest = bundle_store / "bundles" / tiny_bundle.digest / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"model": "another"}))
    assert inspect_bundle(bundle_store, tiny_bundle.digest) == Findings(BUNDLE_FILES, ("manifest.json",))
    manifest.write_text("{")
    assert inspect_bundle(bundle_store, tiny_bundle.digest) == Findings(BUNDLE_FILES, ("manifest.json",))
    manifest.unlink()
    assert inspect_bundle(bundle_store, tiny_bundle.digest) == Findings(BUNDLE_FILES, ())


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
