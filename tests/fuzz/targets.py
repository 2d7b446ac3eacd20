"""What is fuzzed: each target takes bytes from anybody and raises only where the code is wrong.

`make fuzz` runs them guided by coverage, `tests/unit/fuzz/` on their seeds and on mutations of these. Right
is to refuse by an error of the packages' own, or to do what the bytes say. Anything else is a finding.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from analysis.data.sweep import load
from analysis.errors import AnalysisError
from controller.errors import ControllerError, ExperimentError, LabError
from controller.experiment.networks import load_networks
from controller.experiment.resolve import resolve
from controller.lab.inventory import Device, Lab, load_lab
from controller.profiling.profile import load_profile
from exporter.bundle import Bundle, BundleError
from exporter.bundle.manifest import digest_of
from exporter.split_argument import parse_splits
from tests.memory_stream import MemoryStream, memory_pair
from worker.links.slots import SlotPool
from worker.store import inspect_bundle
from worker.wire.codecs import Decoder, parse_codec
from worker.wire.control import CLAIMED_LIMIT_BYTES, receive_message, reply_decoder, request_decoder
from worker.wire.errors import PeerError, RefusedError
from worker.wire.frames import LinkLayout, read_notice
from worker.wire.messages import Done, JoinLink, JoinProbe, Problem, TensorSpec
from worker.wire.stream import PREAMBLE_BYTES, ConnectionKind, read_preamble

__all__ = ["LAB", "TARGETS", "run_one"]

_BUNDLE: Final = Path(__file__).parent / "bundle"
_NETWORKS_FILE: Final = Path(__file__).parents[2] / "ansible" / "networks.yml"

_LAYOUTS: Final = (
    (("x", "float32", (1, 8)),),
    (("a", "float64", (3, 5, 7)), ("b", "int64", (2,))),
    (("a", "float16", (4, 4)), ("b", "float32", (70, 33)), ("c", "bool", (5,))),
    (("long", "float32", (1, 64, 28, 28)),),
)
_CODECS: Final = ("none", "fp16", "uint8", "lz4", "zstd", "uint8+zstd", "zfp:0.01")
_DECODERS: "Final[tuple[msgspec.msgpack.Decoder[Any], ...]]" = (
    request_decoder,
    reply_decoder,
    *(msgspec.msgpack.Decoder(kind) for kind in (JoinLink | JoinProbe, Done | Problem)),
)


def run_one(target: str, data: bytes) -> None:
    """Run a target on one input."""
    TARGETS[target](data)


def frames(data: bytes) -> None:
    """A receiver of frames on a link, with a codec or without; the first bytes choose the link."""
    layout = _layout(data[:2])
    stream = _delivered(data[2:])
    slot = SlotPool(layout, 0).slots[0]
    coded = layout.codec.family != "none"
    buffers = [memoryview(layout.new_prefix())] if coded else slot.buffers
    decoder = Decoder(layout.forms, layout.codec)
    with suppress(PeerError):
        for _ in range(20):
            if layout.read_rest(stream, buffers, stream.receive_some_into(buffers)) is None:
                return
            if coded:
                decoder.receive(stream, slot.arrays)
                decoder.decode(slot.arrays)


def notices(data: bytes) -> None:
    """Who waits for the last word of a connection."""
    with suppress(PeerError):
        read_notice(_delivered(data))


def codecs(data: bytes) -> None:
    """A decoder whose every tensor is said to be encoded in just these bytes."""
    layout = _layout(data[:2])
    if layout.codec.family == "none":
        return
    decoder = Decoder(layout.forms, layout.codec)
    arrays = [np.zeros(shape, dtype) for shape, dtype in layout.forms]
    body = data[2:]
    lengths = b"".join(min(len(body), array.nbytes).to_bytes(8, "little") for array in arrays)
    payload = b"".join(body[: array.nbytes] for array in arrays)
    with suppress(PeerError):
        decoder.receive(_delivered(lengths + payload), arrays)
        decoder.decode(arrays)


def messages(data: bytes) -> None:
    """Who receives messages; what is taken for one is one when it is sent on."""
    decoder = _DECODERS[data[0] % len(_DECODERS)] if data else _DECODERS[0]
    stream = _delivered(data[1:])
    with suppress(PeerError):
        while (message := receive_message(stream, decoder, limit_bytes=CLAIMED_LIMIT_BYTES)) is not None:
            again = decoder.decode(msgspec.msgpack.encode(message))
            assert repr(again) == repr(message)


def preamble(data: bytes) -> None:
    """Either port."""
    kind = ConnectionKind.DATA if data[:1] == b"\1" else ConnectionKind.CONTROL
    with suppress(PeerError):
        read_preamble(_delivered(data[1:]), kind, bytearray(PREAMBLE_BYTES))


def tensors(data: bytes) -> None:
    """What a link is asked to carry."""
    with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError, RefusedError):
        specs = msgspec.msgpack.decode(data, type=tuple[TensorSpec, ...])
        layout = LinkLayout(specs)
        assert layout.frame_bytes == len(layout.new_prefix()) + layout.payload_bytes


def bundle(data: bytes) -> None:
    """A bundle, one of whose files is these bytes, by somebody who knows how digests are made."""
    if not data:
        return
    names = ("manifest.json", "model.onnx", "shards.zip", "samples.npz", "weights.bin")
    folder = _scratch() / "bundle"
    _copy_bundle(folder)
    name = names[data[0] % len(names)]
    (folder / name).write_bytes(data[1:])
    _seal(folder)
    with suppress(BundleError):
        opened = Bundle.open(folder)
        for split in parse_splits(opened, "all"):
            for index in split:
                opened.label(index)
        opened.equal_cuts(2)
        opened.shard(0, opened.node_count)
        opened.shard(0, 1)
        if opened.node_count > 3:
            opened.shard(1, 3)
        opened.samples()


def store_manifest(data: bytes) -> None:
    """A manifest in a device's store."""
    store = _scratch() / "store"
    folder = store / "bundles" / ("0" * 64)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_bytes(data)
    inspect_bundle(store, "0" * 64)


def experiment(data: bytes) -> None:
    """An experiment file, on a lab and with a bundle that are there."""
    path = _scratch() / "experiment.yml"
    path.write_bytes(data)
    with suppress(ControllerError, BundleError):
        resolve(path, LAB, bundles_folder=_BUNDLE.parent, networks_file=_NETWORKS_FILE)


def networks(data: bytes) -> None:
    """A file of networks."""
    path = _scratch() / "networks.yml"
    path.write_bytes(data)
    with suppress(ExperimentError):
        for name, profile in load_networks(path).items():
            with suppress(ExperimentError):
                profile.check_pairs(name, ["pi", "desk"])
            for direction in profile.every_direction():
                assert 0 <= direction.delay_ms < float("inf")


def lab(data: bytes) -> None:
    """A lab file."""
    path = _scratch() / "lab.json"
    path.write_bytes(data)
    with suppress(LabError):
        found = load_lab(path)
        found.shaping([device.name for device in found.devices])


def device_profile(data: bytes) -> None:
    """A profile of what a model costs on devices."""
    path = _scratch() / "profile.json"
    path.write_bytes(data)
    with suppress(ControllerError):
        load_profile(path)


def results(data: bytes) -> None:
    """A results file."""
    path = _scratch() / "results.sqlite"
    path.write_bytes(data)
    with suppress(ControllerError, AnalysisError):
        load(path)


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    target.__name__: target
    for target in (
        frames, notices, codecs, messages, preamble, tensors, bundle, store_manifest, experiment,
        networks, lab, device_profile, results,
    )
}  # fmt: skip


LAB: Final = Lab(
    name="lab",
    devices=tuple(
        Device(
            name=name,
            kind="local",
            host="127.0.0.1",
            control_port=1 + at,
            data_port=11 + at,
            shaping="emulated",
        )
        for at, name in enumerate(("pi", "desk", "server"))
    ),
)


@cache
def _scratch() -> Path:
    """A folder of this process's own; in memory where the system has such."""
    shared = Path("/dev/shm")
    folder = tempfile.TemporaryDirectory(prefix="edgecut-fuzz-", dir=shared if shared.is_dir() else None)
    _kept.append(folder)
    return Path(folder.name)


_kept: "Final[list[tempfile.TemporaryDirectory[str]]]" = []


def _copy_bundle(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(_BUNDLE, folder)


def _seal(folder: Path) -> None:
    """Make the manifest say of files and of itself what is so, where it is one."""
    path = folder / "manifest.json"
    try:
        document = json.loads(path.read_bytes())
        for name, entry in document["files"].items():
            content = (folder / name).read_bytes()
            entry.update(digest=hashlib.sha256(content).hexdigest(), size_bytes=len(content))
        path.write_text(json.dumps(document | {"digest": digest_of(document)}))
    except (ValueError, KeyError, TypeError, AttributeError, OSError, RecursionError):
        return


@cache
def _layout(chosen: bytes) -> LinkLayout:
    which, codec = (*chosen, 0, 0)[:2]
    specs = [
        TensorSpec(name=name, dtype=dtype, shape=shape)
        for name, dtype, shape in _LAYOUTS[which % len(_LAYOUTS)]
    ]
    return LinkLayout(specs, parse_codec(_CODECS[codec % len(_CODECS)]))


def _delivered(data: bytes) -> MemoryStream:
    """A stream on which these bytes arrive in pieces, and then the end; it never waits for more."""
    sender, receiver = memory_pair()
    sender.set_timeout(0.0)
    step = 1 + len(data) // 7
    with suppress(PeerError):
        for start in range(0, len(data), step):
            sender.send([memoryview(data)[start : start + step]])
    # This way alone: what the receiver sends is taken, and nobody reads it.
    sender._outgoing.end()
    return receiver
