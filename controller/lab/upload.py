"""Send a worker the missing parts of a bundle over the control connection.

Ansible copies bundles to a lab's devices; this module sends the shard graphs of other ranges, a few kB each,
and a whole bundle only where Ansible was not used.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from controller.lab.worker_client import ClaimedWorker
from exporter.bundle import Bundle, Shard
from worker.wire.messages import Have, PutFile, PutShard

__all__ = ["supply", "supply_graph"]

_PIECE_BYTES = 8 * 1024 * 1024
_TIMEOUT_S = 120.0
_FileName = Literal["manifest.json", "weights.bin", "shards.zip", "samples.npz"]


def supply(worker: ClaimedWorker, bundle: Bundle, shards: Iterable[Shard]) -> None:
    """Send a worker those of a bundle and its shards that it lacks, by digest.

    Raises:
        DeviceError: The worker was lost, or cannot store them.
    """
    missing = {shard.digest: shard for shard in shards if shard.digest not in worker.has}
    if bundle.digest in worker.has and not missing:
        return
    if worker.ask(Have(bundles=(bundle.digest,)), timeout_s=_TIMEOUT_S).bundles:
        _send_bundle(worker, bundle)
    worker.has.add(bundle.digest)
    for shard in missing.values():
        supply_graph(worker, shard.digest, shard.graph)


def supply_graph(worker: ClaimedWorker, digest: str, graph: bytes) -> None:
    """Send a worker a graph if it lacks it.

    Raises:
        DeviceError: The worker was lost, or cannot store the graph.
    """
    if worker.ask(Have(shards=(digest,)), timeout_s=_TIMEOUT_S).shards:
        worker.ask(PutShard(digest=digest, graph=graph), timeout_s=_TIMEOUT_S)
    worker.has.add(digest)


def _send_bundle(worker: ClaimedWorker, bundle: Bundle) -> None:
    """Send the files that a worker needs, the manifest last, since it completes the bundle."""
    names: tuple[_FileName, ...] = ("weights.bin", "shards.zip", "samples.npz")
    for name in names:
        _send_file(worker, bundle, name, bundle.files[name].digest)
    manifest = (bundle.path / "manifest.json").read_bytes()
    _send_file(worker, bundle, "manifest.json", hashlib.sha256(manifest).hexdigest())


def _send_file(worker: ClaimedWorker, bundle: Bundle, name: _FileName, digest: str) -> None:
    path: Path = bundle.path / name
    size_bytes = path.stat().st_size
    with path.open("rb") as file:
        # An empty file (a model without weights) is one empty piece.
        for offset in range(0, max(size_bytes, 1), _PIECE_BYTES):
            piece = PutFile(
                bundle=bundle.digest,
                name=name,
                digest=digest,
                size_bytes=size_bytes,
                offset=offset,
                data=file.read(_PIECE_BYTES),
            )
            worker.ask(piece, timeout_s=_TIMEOUT_S)
