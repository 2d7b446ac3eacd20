"""A bundle on disk, opened: what it holds, where it can be cut, and its shards."""

import hashlib
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from exporter.bundle import cuts
from exporter.bundle.cuts import CutPoint
from exporter.bundle.guard import check_inside, parse_graph
from exporter.bundle.manifest import FileEntry, Manifest, decode, file_digest
from exporter.bundle.modules import ModuleTree
from exporter.bundle.partition import Cuttable
from exporter.bundle.samples import Samples, load_samples
from exporter.bundle.tensors import Tensor
from exporter.errors import BundleError, RangeError

__all__ = ["NULL_OPERATORS", "Bundle", "Shard"]

NULL_OPERATORS = ("Identity", "Pad")
"""The operators of the null model (`exporter.bundle.null_model`), which copy and compute nothing."""

_LONGEST_GRAPH_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True)
class Shard:
    """The nodes ``[start, stop)`` as a graph whose weights lie in the bundle's ``weights.bin``.

    Attributes:
        digest: SHA-256 of `graph`.
        graph: the ONNX bytes.
        inputs: what crosses `start`.
        outputs: what crosses `stop`.
    """

    start: int
    stop: int
    digest: str
    graph: bytes
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


class Bundle:
    """An exported model on disk, read-only. Open one with `Bundle.open`."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        """Wrap a folder and its manifest unchecked; use `open` to check them."""
        self.path = path
        self.manifest = manifest

    @classmethod
    def open(cls, path: Path | str, *, check: Literal["none", "manifest", "all"] = "all") -> "Bundle":
        """Open the bundle in a folder.

        Args:
            path: the folder.
            check: ``manifest`` checks the manifest's digest, ``all`` every file's as well.

        Raises:
            BundleError: a file is missing, altered or outside the folder; the message names it.
        """
        folder = Path(path)
        bundle = cls(folder, decode(folder / "manifest.json", check=check != "none"))
        for name in ("manifest.json", *bundle.files):
            check_inside(folder / name, folder, str(folder))
        if check == "all":
            for name, entry in bundle.files.items():
                _check_file(folder / name, entry)
        return bundle

    @property
    def digest(self) -> str:
        """The digest that covers the manifest and, through it, every file."""
        return self.manifest.digest

    @property
    def files(self) -> dict[str, FileEntry]:
        """Digest and size of every file but the manifest."""
        return self.manifest.files

    @property
    def node_count(self) -> int:
        """Nodes of the graph; the cut points are 1 to `node_count` - 1."""
        return self.manifest.node_count

    @property
    def fixed_batch(self) -> int | None:
        """The only batch size that the graph accepts; None where the batch is symbolic."""
        return self.manifest.batch if isinstance(self.manifest.batch, int) else None

    @property
    def is_null(self) -> bool:
        """Whether its nodes compute nothing, so that times may be planted in its stages."""
        return all(node.op in NULL_OPERATORS for node in self.manifest.nodes)

    @property
    def cut_points(self) -> tuple[CutPoint, ...]:
        """All cut points in order of index, from 1."""
        return self.manifest.cut_points

    def tensors_at(self, index: int) -> tuple[Tensor, ...]:
        """Return the tensors that cross a position: the graph's inputs at 0, its outputs at `node_count`.

        Raises:
            RangeError: the position is out of range.
        """
        self._require(index)
        if index == 0:
            return self.manifest.inputs
        if index == self.node_count:
            return self.manifest.outputs
        return self.cut_points[index - 1].tensors

    def label(self, index: int) -> str:
        """Return a readable name for a cut, such as ``features.7``; the ends are ``input`` and ``output``."""
        self._require(index)
        return self._modules.label(index)

    def clean_cuts(self) -> tuple[int, ...]:
        """Return the cut points that one tensor crosses."""
        return tuple(point.index for point in self.cut_points if point.clean)

    def block_cuts(self) -> tuple[int, ...]:
        """Return the clean cut points at which a block of the model ends."""
        return tuple(point.index for point in self.cut_points if point.block)

    def equal_cuts(self, stages: int) -> tuple[int, ...]:
        """Return the `stages` - 1 clean cuts nearest to equal numbers of nodes.

        Raises:
            RangeError: fewer than two stages, or more than the clean cuts allow.
        """
        return cuts.equal_cuts(self.cut_points, self.node_count, stages)

    def narrow_cuts(self, most: int) -> tuple[int, ...]:
        """Return the cut points that at most so many tensors cross."""
        return tuple(point.index for point in self.cut_points if len(point.tensors) <= most)

    def cuts_after_each(self, pattern: str) -> tuple[int, ...]:
        """Return the cuts after each module whose path or class matches, as ``h.*`` or ``Block`` do.

        Raises:
            RangeError: none matches; the message suggests the nearest.
        """
        return self._modules.cuts_after_each(pattern, self.manifest.module_types)

    def resolve(self, module: str) -> int:
        """Return the cut right after the last node of a module path.

        Raises:
            RangeError: the module is unknown; the message suggests the nearest.
        """
        return self._modules.cut_after(module)

    def shard(self, start: int, stop: int) -> Shard:
        """Return the shard of nodes ``[start, stop)``: read if it is a 2-way shard, else cut here.

        Raises:
            RangeError: the range is empty or outside the graph.
            BundleError: ``shards.zip`` or ``model.onnx`` is missing or altered.
        """
        self._require(start)
        self._require(stop)
        if start >= stop:
            raise RangeError(f"partition {start}-{stop} of {self.path} is empty; start must be below stop")
        inputs, outputs = self.tensors_at(start), self.tensors_at(stop)
        expected = self.manifest.shards.get(f"{start}-{stop}")
        if expected is None:
            graph = self._cuttable.shard(start, stop, inputs, outputs)
            return Shard(start, stop, hashlib.sha256(graph).hexdigest(), graph, inputs, outputs)
        graph = self._stored_shard(f"{start}-{stop}.onnx")
        if hashlib.sha256(graph).hexdigest() != expected:
            raise BundleError(
                f"{self.path / 'shards.zip'}: {start}-{stop}.onnx is altered: its digest does not match; "
                "export the bundle again"
            )
        parse_graph(graph, f"{self.path / 'shards.zip'}: {start}-{stop}.onnx", self.path)
        return Shard(start, stop, expected, graph, inputs, outputs)

    def samples(self) -> Samples:
        """Read the bundle's samples.

        Raises:
            BundleError: ``samples.npz`` is missing or damaged.
        """
        return load_samples(self.path / "samples.npz")

    def _require(self, index: int) -> None:
        if not 0 <= index <= self.node_count:
            raise RangeError(
                f"split {index} is out of range: {self.manifest.model} has cut points 1 to "
                f"{self.node_count - 1}, and the ends 0 and {self.node_count}"
            )

    def _stored_shard(self, member: str) -> bytes:
        path = self.path / "shards.zip"
        try:
            with zipfile.ZipFile(path) as archive:
                size_bytes = archive.getinfo(member).file_size
                if size_bytes > _LONGEST_GRAPH_BYTES:
                    raise BundleError(f"{path}: {member} has {size_bytes:,} bytes, too many for a shard")
                return archive.read(member)
        except BundleError:
            raise
        except Exception as error:  # zipfile and its decompressors raise many kinds
            raise BundleError(f"{path}: cannot be read ({error}); export the bundle again") from None

    @cached_property
    def _modules(self) -> ModuleTree:
        return ModuleTree([node.module for node in self.manifest.nodes])

    @cached_property
    def _cuttable(self) -> Cuttable:
        path = self.path / "model.onnx"
        try:
            data = path.read_bytes()
        except OSError as error:
            raise BundleError(f"{path}: cannot be read ({error.strerror}); export the bundle again") from None
        cuttable = Cuttable(parse_graph(data, str(path), self.path))
        if len(cuttable.nodes) != self.node_count:
            raise BundleError(f"{path}: not the graph that the manifest describes; export the bundle again")
        return cuttable


def _check_file(path: Path, entry: FileEntry) -> None:
    try:
        matches = path.stat().st_size == entry.size_bytes and file_digest(path) == entry.digest
    except FileNotFoundError:
        raise BundleError(
            f"{path}: missing from the bundle; copy the file again or export the bundle again"
        ) from None
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror})") from None
    if not matches:
        raise BundleError(f"{path}: altered: its digest does not match the manifest; export the bundle again")
