"""Run a chain of shards on this machine, one after the other, for verification and accuracy."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnxruntime as ort

from exporter.bundle.bundle import Bundle
from exporter.bundle.tensors import Array, Arrays
from exporter.errors import BundleError, RangeError, first_line

__all__ = [
    "accuracy",
    "in_batches",
    "joined",
    "partitions",
    "run_chain",
    "run_session",
    "score",
    "session_of",
]

Between = Callable[[int, Arrays], Arrays]
"""A change to the tensors before the first stage (0) and after each stage (from 1)."""


def partitions(bundle: Bundle, cuts: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Return a split's partitions as (start, stop), without empty ones, which have no stage.

    Raises:
        RangeError: a cut is outside the graph, or the cuts are out of order.
    """
    for cut in cuts:
        bundle.tensors_at(cut)
    bounds = [0, *cuts, bundle.node_count]
    if bounds != sorted(bounds):
        raise RangeError(f"cuts {','.join(map(str, cuts))} are not in order; list them from first to last")
    return tuple((start, stop) for start, stop in pairwise(bounds) if start < stop)


def session_of(graph: bytes, folder: Path, *, threads: int) -> ort.InferenceSession:
    """Make an ONNX Runtime session from graph bytes whose weights lie in `folder`.

    Raises:
        BundleError: ONNX Runtime refuses the graph.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Else a product with int8 weights also rounds its fp32 input to int8, in some shards and not in others.
    options.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", "1")
    options.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", str(folder.resolve())
    )
    try:
        return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no public base
        raise BundleError(f"{folder}: ONNX Runtime refuses the graph: {first_line(error)}") from None


def run_session(session: ort.InferenceSession, inputs: Mapping[str, Array]) -> Arrays:
    """Run a session on those of the inputs that it takes and return its outputs by name.

    Raises:
        BundleError: ONNX Runtime cannot run it on these inputs.
    """
    names = [output.name for output in session.get_outputs()]
    feed = {value.name: inputs[value.name] for value in session.get_inputs()}
    try:
        return dict(zip(names, session.run(names, feed), strict=True))
    except Exception as error:  # onnxruntime's exceptions share no public base
        raise BundleError(f"ONNX Runtime cannot run the graph: {first_line(error)}") from None


def run_chain(
    bundle: Bundle,
    cuts: Sequence[int],
    inputs: Mapping[str, Array],
    *,
    threads: int = 1,
    batch: int | None = None,
    between: Between | None = None,
) -> Arrays:
    """Run a split's shards in ONNX Runtime, one after the other, and return the graph's outputs.

    Args:
        bundle: the model.
        cuts: cut points in order; they may include the ends, and `()` is the whole graph.
        inputs: arrays by name, samples first.
        threads: threads for ONNX Runtime.
        batch: samples a run. Default: the graph's own batch if it is fixed, else all at once.
        between: a change to the tensors between stages. Default: none.

    Raises:
        RangeError: a cut is outside the graph, or the cuts are out of order.
        BundleError: an input is missing, or the samples do not fill whole fixed batches.
    """
    sessions = [
        session_of(bundle.shard(start, stop).graph, bundle.path, threads=threads)
        for start, stop in partitions(bundle, cuts)
    ]
    parts: list[Arrays] = []
    for values in _batches(bundle, inputs, batch):
        current = between(0, values) if between else values
        for position, session in enumerate(sessions, start=1):
            current = run_session(session, current)
            if between:
                current = between(position, current)
        parts.append(current)
    return joined(parts)


def _batches(bundle: Bundle, inputs: Mapping[str, Array], batch: int | None) -> Iterator[Arrays]:
    names = [tensor.name for tensor in bundle.manifest.inputs]
    missing = [name for name in names if name not in inputs]
    if missing:
        raise BundleError(
            f'{bundle.path}: input "{missing[0]}" is missing; this graph takes {", ".join(names)}'
        )
    count = len(inputs[names[0]])
    fixed = bundle.fixed_batch
    if fixed and (count % fixed or batch not in (None, fixed)):
        raise BundleError(f"{bundle.path}: this graph takes batches of {fixed} only")
    return in_batches({name: inputs[name] for name in names}, fixed or batch or count)


def in_batches(arrays: Mapping[str, Array], size: int) -> Iterator[Arrays]:
    """Yield the samples `size` at a time; the last batch may be smaller."""
    for start in range(0, len(next(iter(arrays.values()))), size):
        yield {name: array[start : start + size] for name, array in arrays.items()}


def joined(parts: Sequence[Arrays]) -> Arrays:
    """Return batches as one."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def accuracy(bundle: Bundle, outputs: Mapping[str, Array], labels: Array | None) -> float | None:
    """Return the share of correct answers by the manifest's metric; None without a metric or labels."""
    return score(bundle.manifest.metric, outputs[bundle.manifest.outputs[0].name], labels)


def score(metric: str | None, answers: Array, labels: Array | None) -> float | None:
    """Return the ``top1`` or ``top5`` accuracy of scores with classes on axis 1; None without labels."""
    if metric is None or labels is None:
        return None
    if metric == "top1":
        return float(np.mean(answers.argmax(axis=1) == labels))
    best = np.argsort(answers, axis=1, kind="stable")[:, -5:]
    return float(np.mean((best == np.expand_dims(labels, 1)).any(axis=1)))
