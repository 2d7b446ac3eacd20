"""Assemble a bundle's files from a graph, what crosses its cut points, and samples. Imports no torch."""

import dataclasses
import datetime
import hashlib
import platform
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import onnx

from exporter.bundle import chain, cuts
from exporter.bundle.manifest import FORMAT, FileEntry, Made, Manifest, encode, file_digest
from exporter.bundle.modules import ModuleTree
from exporter.bundle.partition import Cuttable
from exporter.bundle.samples import Samples, save_samples
from exporter.bundle.tensors import Array, Arrays, Tensor

__all__ = ["WEIGHTS", "Facts", "write_files"]

WEIGHTS = "weights.bin"

_PACKAGES = ("torch", "torchvision", "onnx", "onnx-ir", "onnxscript", "onnxruntime", "numpy")
_ANSWER_BATCH = 8
# A fixed date for the members of shards.zip, so that the same model gives the same file.
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Facts:
    """Facts about a model beside its graph; the fields are the manifest's."""

    model: str
    source: str
    trained: bool
    weights: str
    seed: int
    dataset: str
    preprocessing: str
    metric: str | None
    label_classes: int | None


def write_files(
    folder: Path,
    model: onnx.ModelProto,
    nodes: Sequence[cuts.Node],
    tensors: Mapping[str, Tensor],
    facts: Facts,
    inputs: Arrays,
    *,
    labels: Array | None = None,
    reference: Arrays | None = None,
    batch: int | None = None,
    types: Mapping[str, str] | None = None,
) -> Manifest:
    """Write a bundle's files beside its weights file, the manifest last.

    Args:
        folder: holds ``weights.bin`` and nothing else.
        model: the whole graph, whose weights lie in that file.
        nodes: the graph's nodes, with their modules and costs.
        tensors: what may cross a cut, by name.
        facts: the manifest's other facts.
        inputs: samples by input, samples first; whole batches if the graph's batch is fixed.
        labels: their labels; the bundle omits them where they are of other classes than the model's.
        reference: PyTorch's outputs for the first samples; None for a model from an .onnx file.
        batch: the fixed batch, or None if the batch is symbolic.
        types: the class of each module, by its path; those without nodes are left out.

    Raises:
        BundleError: ONNX Runtime cannot run the graph.
    """
    model.producer_name, model.producer_version = "edgecut", ""
    onnx.save(model, folder / "model.onnx")
    cuttable = Cuttable(model)
    crossing = [tuple(tensors[name] for name in names) for names in cuttable.crossing()]
    shards = _write_shards(cuttable, crossing, folder / "shards.zip")
    answers = _answers(folder, inputs, batch)
    classes = _classes(crossing[-1][0])
    labels, metric = _labels_of_this_model(labels, facts, classes)
    save_samples(folder / "samples.npz", Samples(inputs, labels, answers, reference or {}))
    other_facts = {
        name: value
        for name, value in vars(facts).items()
        if name not in ("label_classes", "metric", "source", "weights")
    }
    manifest = Manifest(
        format=FORMAT,
        precision=_precision(model),
        metric=metric,
        class_count=classes,
        batch="symbolic" if batch is None else batch,
        inputs=crossing[0],
        outputs=crossing[-1],
        node_count=len(nodes),
        nodes=tuple(nodes),
        cut_points=cuts.cut_points_of(nodes, crossing, batch),
        module_types=_types_of(nodes, types or {}),
        parameters=sum(node.parameters for node in nodes),
        multiply_adds=sum(node.multiply_adds for node in nodes),
        weights_bytes=(folder / WEIGHTS).stat().st_size,
        shards=shards,
        files={
            path.name: FileEntry(file_digest(path), path.stat().st_size) for path in sorted(folder.iterdir())
        },
        made=_made(facts),
        digest="",
        **other_facts,
    )
    content, digest = encode(manifest)
    (folder / "manifest.json").write_bytes(content)
    return dataclasses.replace(manifest, digest=digest)


def _types_of(nodes: Sequence[cuts.Node], types: Mapping[str, str]) -> dict[str, str]:
    known = ModuleTree([node.module for node in nodes]).modules
    return {path: name for path, name in types.items() if path in known}


def _made(facts: Facts) -> Made:
    return Made(
        source=facts.source,
        weights=facts.weights,
        edgecut=_version("edgecut") or "unknown",
        versions={name: _version(name) for name in _PACKAGES} | {"python": platform.python_version()},
        created_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )


def _write_shards(cuttable: Cuttable, crossing: Sequence[tuple[Tensor, ...]], path: Path) -> dict[str, str]:
    """Write the whole graph and both halves at every cut point; return their digests."""
    count = len(crossing) - 1
    ranges = [(0, count), *((0, cut) for cut in range(1, count)), *((cut, count) for cut in range(1, count))]
    digests = {}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for start, stop in ranges:
            content = cuttable.shard(start, stop, crossing[start], crossing[stop])
            member = zipfile.ZipInfo(f"{start}-{stop}.onnx", _EPOCH)
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, content)
            digests[f"{start}-{stop}"] = hashlib.sha256(content).hexdigest()
    return digests


def _answers(folder: Path, inputs: Arrays, batch: int | None) -> Arrays:
    session = chain.session_of((folder / "model.onnx").read_bytes(), folder, threads=0)
    batches = chain.in_batches(inputs, batch or _ANSWER_BATCH)
    return chain.joined([chain.run_session(session, each) for each in batches])


def _labels_of_this_model(
    labels: Array | None, facts: Facts, classes: int | None
) -> tuple[Array | None, str | None]:
    if labels is None or facts.metric is None or classes is None:
        return None, None
    if facts.label_classes not in (None, classes) or labels.max() >= classes:
        return None, None
    return labels, facts.metric


def _classes(output: Tensor) -> int | None:
    return output.shape[1] if len(output.shape) >= 2 and isinstance(output.shape[1], int) else None


def _precision(model: onnx.ModelProto) -> str:
    names = {
        onnx.TensorProto.FLOAT: "fp32",
        onnx.TensorProto.DOUBLE: "fp64",
        onnx.TensorProto.FLOAT16: "fp16",
        onnx.TensorProto.BFLOAT16: "bf16",
    }
    used = {names[each.data_type] for each in model.graph.initializer if each.data_type in names}
    return "mixed" if len(used) > 1 else next(iter(used), "fp32")


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
