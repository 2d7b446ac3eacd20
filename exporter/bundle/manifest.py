"""The manifest: a bundle's description, and the digest that covers all of it."""

import hashlib
import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from exporter.bundle.cuts import CutPoint, Node
from exporter.bundle.tensors import Tensor
from exporter.errors import BundleError

__all__ = ["FORMAT", "FileEntry", "Made", "Manifest", "decode", "digest_of", "encode", "file_digest"]

FORMAT = "edgecut-bundle/1"

_FILES = ("model.onnx", "samples.npz", "shards.zip", "weights.bin")


@dataclass(frozen=True)
class FileEntry:
    """A file of the bundle: SHA-256 and size."""

    digest: str
    size_bytes: int


@dataclass(frozen=True)
class Made:
    """When a bundle was made, of what and with what.

    Attributes:
        source: the model as it was given.
        weights: the weights' origin, in words.
        versions: packages by name.
    """

    source: str
    weights: str
    edgecut: str
    versions: dict[str, str | None]
    created_at: str


@dataclass(frozen=True)
class Manifest:
    """The content of ``manifest.json``. Absent facts are null, never guessed.

    Attributes:
        batch: ``"symbolic"``, or the only batch size that the graph accepts.
        trained: False where the weights are random; their answers mean nothing.
        module_types: the class of each module of PyTorch, by its path; none for a model from an .onnx file.
        metric: ``top1``, ``top5``, or null where accuracy is unknown.
        shards: SHA-256 of each 2-way shard and of the whole graph, by ``START-STOP``.
        made: no part of the content, so the same weights exported again have the same digest.
        digest: SHA-256 of everything else but `made`, see `digest_of`.
    """

    format: str
    model: str
    precision: str
    trained: bool
    seed: int
    dataset: str
    preprocessing: str
    metric: str | None
    class_count: int | None
    batch: str | int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    node_count: int
    nodes: tuple[Node, ...]
    cut_points: tuple[CutPoint, ...]
    module_types: dict[str, str]
    parameters: int
    multiply_adds: int
    weights_bytes: int
    shards: dict[str, str]
    files: dict[str, FileEntry]
    made: Made
    digest: str


def digest_of(document: dict[str, Any]) -> str:
    """Return the SHA-256 of a manifest without its keys ``digest`` and ``made``.

    Over canonical JSON: keys sorted, no spaces, ASCII only, as ``json.dumps`` writes it with
    ``sort_keys=True, separators=(",", ":")``.
    """
    rest = {key: value for key, value in document.items() if key not in ("digest", "made")}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def encode(manifest: Manifest) -> tuple[bytes, str]:
    """Return the bytes of ``manifest.json`` and the digest in them."""
    document = msgspec.to_builtins(manifest)
    document["digest"] = digest_of(document)
    return (json.dumps(document, sort_keys=True, indent=1) + "\n").encode(), document["digest"]


def decode(path: Path, *, check: bool) -> Manifest:
    """Read ``manifest.json``; `check` also checks its digest.

    Raises:
        BundleError: the manifest is missing, of another format, damaged or altered.
    """
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise BundleError(
            f"{path.parent}: not a bundle (no manifest.json); make one with "
            f"`edgecut export MODEL --out {shlex.quote(str(path.parent))}`"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"{path}: cannot be read as JSON ({error}); export the bundle again") from None
    version = document.get("format") if isinstance(document, dict) else None
    if version != FORMAT:
        raise BundleError(
            f'{path}: its format is "{version}", but this version reads "{FORMAT}"; export the bundle again'
        )
    if check and document.get("digest") != digest_of(document):
        raise BundleError(f"{path}: altered: its digest does not match; export the bundle again")
    try:
        manifest = msgspec.convert(document, Manifest)
    except msgspec.ValidationError as error:
        raise BundleError(f"{path}: {error}; export the bundle again") from None
    wrong = _wrong_in(manifest)
    if wrong:
        raise BundleError(f"{path}: {wrong}; export the bundle again")
    return manifest


def _wrong_in(manifest: Manifest) -> str | None:
    """Return the first inconsistency, None without one. All later code relies on this check."""
    count = manifest.node_count
    if count < 1 or len(manifest.nodes) != count:
        return f"it lists {len(manifest.nodes)} nodes, but its node_count is {count}"
    if [point.index for point in manifest.cut_points] != list(range(1, count)):
        return f"its cut points are not 1 to {count - 1}"
    if not manifest.inputs or not manifest.outputs:
        return "it has no inputs or no outputs"
    if manifest.batch != "symbolic" and not (isinstance(manifest.batch, int) and manifest.batch >= 1):
        return f"its batch is {manifest.batch!r}"
    for name in manifest.files:
        if name not in _FILES:
            return f"it names a file {name[:80]!r}; a bundle has only {', '.join(_FILES)}"
    for tensors in (manifest.inputs, manifest.outputs, *(point.tensors for point in manifest.cut_points)):
        for tensor in tensors:
            if not tensor.is_sound():
                return f"tensor {tensor.name[:80]!r} has an impossible type or shape"
    return None


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
