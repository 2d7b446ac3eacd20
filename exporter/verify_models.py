"""`verify-models`: export and verify all ten built-in models, including their wide cuts.

They are untrained, with batch norm statistics from the digits, at each model's usual input size.
"""

import functools
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from exporter.bundle import Bundle
from exporter.errors import VerifyError
from exporter.export import ExportSettings, export
from exporter.models.zoo import ZOO, CutCounts, find_model
from exporter.split_argument import parse_splits
from exporter.verify import Verification, verify

__all__ = ["Row", "counts_of", "require_small", "verify_models"]


_STORAGE_SHARE, _STORAGE_BYTES = 1.1, 5_000_000


@dataclass(frozen=True)
class Row:
    """The result for one model."""

    model: str
    counts: CutCounts
    verification: Verification
    weights_bytes: int
    stored_bytes: int
    elapsed_s: float


def verify_models(
    names: Sequence[str], splits: str, input_size: int | None, report: Callable[[str, int, int], None]
) -> Iterator[Row]:
    """Export and verify models one after the other.

    Args:
        names: built-in models; all ten if empty.
        splits: ``clean``, ``blocks`` or ``all``.
        input_size: side of the input; None for each model's usual size.
        report: called with the model, the number of finished splits and the number of all splits.

    Raises:
        ModelError: a model is unknown.
        VerifyError: a model's counts, storage or numbers are wrong.
    """
    for name in names:
        find_model(name)
    for name in names or ZOO:
        yield _verify_one(name, splits, input_size, report)


def _verify_one(
    name: str, splits: str, input_size: int | None, report: Callable[[str, int, int], None]
) -> Row:
    begin = time.monotonic()
    report(name, 0, 0)
    with tempfile.TemporaryDirectory(prefix="edgecut-") as folder:
        bundle = export(ExportSettings(name, Path(folder) / name, input_size=input_size))
        counts = counts_of(bundle)
        if counts != ZOO[name].cuts:
            raise VerifyError(
                f"{name}: {counts} instead of {ZOO[name].cuts}; install the torch version that edgecut pins"
            )
        stored = require_small(bundle)
        verification = verify(bundle, parse_splits(bundle, splits), functools.partial(report, name))
        weights = bundle.manifest.weights_bytes
    return Row(name, counts, verification, weights, stored, time.monotonic() - begin)


def counts_of(bundle: Bundle) -> CutCounts:
    """Count a bundle's nodes and cut points."""
    widths = [len(point.tensors) for point in bundle.cut_points]
    return CutCounts(bundle.node_count, widths.count(1), widths.count(2))


def require_small(bundle: Bundle) -> int:
    """Return the size in bytes of a bundle without its samples, which covers all 2-way splits together.

    Raises:
        VerifyError: the size is above 1.1 x the weights + 5 MB.
    """
    stored = sum(path.stat().st_size for path in bundle.path.iterdir() if path.name != "samples.npz")
    limit = _STORAGE_SHARE * bundle.manifest.weights_bytes + _STORAGE_BYTES
    if stored > limit:
        raise VerifyError(f"{bundle.path}: {stored:,} bytes; the limit is {limit:,.0f}")
    return stored
