"""`verify`: compare PyTorch with the whole graph, and the whole graph with chains of shards.

Errors are relative to each tensor's own maximum, so weights whose answers hardly vary would pass even with
wrong shards; `verify` refuses them. The samples hold PyTorch's outputs, computed at export, so a bundle can
be verified without its model's code.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx

from exporter.bundle import Bundle
from exporter.bundle.chain import partitions, run_chain, run_session, session_of
from exporter.bundle.samples import Samples
from exporter.bundle.tensors import Array, Arrays
from exporter.errors import VerifyError
from exporter.graph.shapes import every_tensor

__all__ = ["Difference", "TOLERANCE", "Verification", "require_signal", "verify"]

TOLERANCE = 1e-4
_DEGENERATE_SHARE, _DEGENERATE_MAXIMUM = 1e-3, 1e-6
# What is smaller all over, such as a map that a ReLU closes, is compared with this.
_NEARLY_ZERO = 1e-6
_SAMPLES = 8
_BATCHES = (1, 8)


@dataclass(frozen=True)
class Difference:
    """One tensor's error, relative to its own maximum.

    Attributes:
        what: the comparison, in words.
        where: the chain's cut points, empty for the whole graph.
        tensor: the tensor's name.
        batch: the batch size.
        error: the largest absolute difference over the largest finite expected value; equal infinities are
            equal.
    """

    what: str
    where: tuple[int, ...]
    tensor: str
    batch: int
    error: float

    def __str__(self) -> str:
        """Return the difference in words."""
        at = f" at cut {','.join(map(str, self.where))}" if self.where else ""
        return f'{self.what}{at}: error {self.error:.1e} in tensor "{self.tensor}", batch {self.batch}'


@dataclass(frozen=True)
class Verification:
    """The worst difference of each comparison; `graph` is None for a bundle from an .onnx file."""

    graph: Difference | None
    chains: Difference | None
    splits: int


def verify(
    bundle: Bundle, splits: Sequence[tuple[int, ...]], report: Callable[[int, int], None] = lambda *_: None
) -> Verification:
    """Verify a bundle on these splits.

    Args:
        bundle: an opened bundle with checked files.
        splits: each chain's cut points.
        report: called with the number of finished splits and the number of all splits.

    Raises:
        VerifyError: the weights are degenerate, or a tensor differs by more than `TOLERANCE`.
    """
    samples = bundle.samples()
    require_signal(samples.answers, samples.count)
    graph = _worst(_against_torch(bundle, samples))
    _require(graph)
    batches = _batches(bundle)
    expected = {batch: run_chain(bundle, (), _first(samples.inputs, batch), threads=0) for batch in batches}
    model = onnx.load(bundle.path / "model.onnx", load_external_data=False)
    inside = every_tensor(model, bundle.path, _first(samples.inputs, batches[0]))
    chains: Difference | None = None
    for number, cuts in enumerate(splits, start=1):
        worst = _worst(_against_whole(bundle, cuts, samples.inputs, expected, inside))
        _require(worst)
        chains = _worst(each for each in (chains, worst) if each is not None)
        report(number, len(splits))
    return Verification(graph, chains, len(splits))


def require_signal(answers: Arrays, count: int) -> None:
    """Refuse answers that are the same for 8 different inputs.

    Raises:
        VerifyError: the answers hardly vary, or the bundle has fewer than 8 samples.
    """
    if count < _SAMPLES:
        raise VerifyError(f"{count} samples are too few to verify; export with --samples {_SAMPLES} or more")
    for name, array in answers.items():
        values = array[:_SAMPLES].astype(np.float64)
        largest, spread = float(np.abs(values).max()), float(values.std(axis=0).max())
        if not np.isfinite(values).all():
            raise VerifyError(f'output "{name}" is not finite; export other weights')
        if largest < _DEGENERATE_MAXIMUM or spread < _DEGENERATE_SHARE * largest:
            raise VerifyError(
                f'weights are degenerate: over {_SAMPLES} inputs output "{name}" is at most {largest:.1e} '
                f"and its standard deviation {spread:.1e}, which would hide a wrong shard; "
                "export trained weights"
            )


def _against_torch(bundle: Bundle, samples: Samples) -> Iterator[Difference]:
    if not samples.reference:
        return
    count = len(next(iter(samples.reference.values())))
    for batch in _batches(bundle):
        outputs = run_chain(bundle, (), _first(samples.inputs, count), threads=0, batch=batch)
        for name, expected in samples.reference.items():
            error = _error(outputs[name], expected)
            yield Difference("whole graph against PyTorch", (), name, batch, error)


def _against_whole(
    bundle: Bundle,
    cuts: tuple[int, ...],
    inputs: Arrays,
    expected: Mapping[int, Arrays],
    inside: Arrays,
) -> Iterator[Difference]:
    """Compare the crossing tensors at the first batch size, and the outputs at every batch size."""
    sessions = [
        (stop, session_of(bundle.shard(start, stop).graph, bundle.path, threads=0))
        for start, stop in partitions(bundle, cuts)
    ]
    first = next(iter(expected))
    for batch, answers in expected.items():
        values: Arrays = _first(inputs, batch)
        for stop, session in sessions:
            values = run_session(session, values)
            if stop == bundle.node_count:
                right = answers
            elif batch == first:
                right = inside
            else:
                continue
            for name, array in values.items():
                yield Difference("chain against whole graph", cuts, name, batch, _error(array, right[name]))


def _batches(bundle: Bundle) -> tuple[int, ...]:
    return (bundle.fixed_batch,) if bundle.fixed_batch else _BATCHES


def _first(inputs: Arrays, count: int) -> Arrays:
    return {name: array[:count] for name, array in inputs.items()}


def _error(array: Array, expected: Array) -> float:
    if array.shape != expected.shape or array.dtype != expected.dtype:
        return float("inf")
    found, right = array.astype(np.float64), expected.astype(np.float64)
    # Masks of attention hold infinities, and what is made from them may hold no numbers.
    other = ~((found == right) | (np.isnan(found) & np.isnan(right)))
    if not other.any():
        return 0.0
    difference = float(np.abs(found[other] - right[other]).max())
    largest = float(np.abs(right[np.isfinite(right)]).max(initial=_NEARLY_ZERO))
    return difference / largest if np.isfinite(difference) else float("inf")


def _worst(differences: Iterator[Difference]) -> Difference | None:
    return max(differences, key=lambda each: each.error, default=None)


def _require(difference: Difference | None) -> None:
    if difference is not None and not difference.error <= TOLERANCE:
        raise VerifyError(f"{difference}, above the tolerance of {TOLERANCE:.0e}; export the bundle again")
