"""`verify-models`: export and verify all ten models of the zoo, wide cuts included.

Untrained, with batch norm statistics from the digits, at each model's usual input size.
"""

import functools
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from exporter.bundle import Bundle
from exporter.errors import ModelError, VerifyError, nearest
from exporter.export import ExportSettings, export
from exporter.models.zoo import ZOO, CutCounts
from exporter.split_argument import parse_splits
from exporter.verify import Verification, verify

__all__ = ["Row", "counts_of", "require_small", "verify_models"]


_STORAGE_SHARE, _STORAGE_BYTES = 1.1, 5_000_000


@dataclass(frozen=True)
class Row:
    """What was found for one model."""

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
        names: models of the zoo; all ten if empty.
        splits: ``clean``, ``blocks`` or ``all``.
        input_size: side of the input; None for each model's usual one.
        report: called with the model, and the number of splits done and of all.

    Raises:
        ModelError: no such model.
        VerifyError: counts, storage or numbers are not as they must be.
    """
    for name in names:
        if name not in ZOO:
            raise ModelError(f'no model "{name}"{nearest(name, ZOO)}; there are {", ".join(ZOO)}')
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
            raise VerifyError(f"{name}: {counts}, and {ZOO[name].cuts} is known; another version of torch?")
        stored = require_small(bundle)
        found = verify(bundle, parse_splits(bundle, splits), functools.partial(report, name))
        weights = bundle.manifest.weights_bytes
    return Row(name, counts, found, weights, stored, time.monotonic() - begin)


def counts_of(bundle: Bundle) -> CutCounts:
    """Count a bundle's nodes and cut points."""
    widths = [len(point.tensors) for point in bundle.cut_points]
    return CutCounts(bundle.node_count, widths.count(1), widths.count(2))


def require_small(bundle: Bundle) -> int:
    """Return the bytes of a bundle without its samples; all 2-way splits together are in them.

    Raises:
        VerifyError: they are more than 1.1 x the weights + 5 MB.
    """
    stored = sum(path.stat().st_size for path in bundle.path.iterdir() if path.name != "samples.npz")
    limit = _STORAGE_SHARE * bundle.manifest.weights_bytes + _STORAGE_BYTES
    if stored > limit:
        raise VerifyError(f"{bundle.path}: {stored:,} bytes, and at most {limit:,.0f} are allowed")
    return stored
