"""The store: paths are made of digests only, and pieces must fit together."""

from pathlib import Path

import msgspec
import pytest

from tests.unit.worker.tiny import TinyBundle, sha256
from worker.store.store import Store
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
    monkeypatch.setattr("worker.store.store.hashlib.file_digest", None)
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
