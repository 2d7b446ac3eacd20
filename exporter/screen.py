"""The commands' output: tables on a terminal, plain text in a pipe."""

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from exporter.bundle import Bundle, accuracy
from exporter.models.zoo import ZOO
from exporter.terminal import show, visible
from exporter.verify import TOLERANCE, Verification

if TYPE_CHECKING:
    from exporter.verify_models import Row  # needs torch, which takes seconds to import

__all__ = [
    "print_bundle",
    "print_cuts",
    "print_models",
    "print_row",
    "print_row_head",
    "print_verification",
    "progress",
]

_PIPE_WIDTH = 160


def _print_table(table: Table) -> None:
    """Print a table to stdout; in a pipe without colour, and without wrapping at 80 columns."""
    width = None if sys.stdout.isatty() else _PIPE_WIDTH
    Console(highlight=False, markup=False, emoji=False, width=width).print(table)


def _table(*columns: str, right: frozenset[str] = frozenset()) -> Table:
    """Return an empty table without box drawing; columns in `right` hold numbers."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", no_wrap=True)
    return table


def print_bundle(bundle: Bundle) -> None:
    """Print a summary of a bundle."""
    manifest, samples = bundle.manifest, bundle.samples()
    score = accuracy(bundle, samples.answers, samples.labels)
    shown = f"{score:.4f} ({manifest.metric})" if score is not None else "null, no labels for its classes"
    clean, total = len(bundle.clean_cuts()), sum(entry.size_bytes for entry in bundle.files.values())
    show(f"{bundle.path}: {manifest.model}, weights: {manifest.made.weights}")
    if not manifest.trained:
        show("  UNTRAINED: fit for timing; its answers mean nothing")
    show(
        f"  {manifest.node_count} nodes, {clean} clean cut points, {len(bundle.cut_points) - clean} wide; "
        f"batch {manifest.batch}",
        f"  {manifest.parameters:,} parameters, {manifest.multiply_adds:,} multiply-adds a sample; "
        f"{total / 1e6:.1f} MB, of which weights {manifest.weights_bytes / 1e6:.1f} MB",
        f"  {samples.count} samples of {manifest.dataset}, accuracy of the whole graph: {shown}",
        f"  digest {bundle.digest}",
    )


def print_cuts(bundle: Bundle, *, as_json: bool) -> None:
    """Print the cut points as a table, or as a JSON list."""
    if as_json:
        show(*json.dumps(msgspec.to_builtins(bundle.cut_points), indent=1).splitlines())
        return
    numbers = frozenset({"cut", "bytes/sample", "params", "mult-adds"})
    rows = _table("cut", "kind", "after", "bytes/sample", "params", "mult-adds", "crossing", right=numbers)
    for point in bundle.cut_points:
        kind = "block" if point.block else "clean" if point.clean else "wide"
        crossing = "  ".join(f"{t.name}[{','.join(map(str, t.shape))}]" for t in point.tensors)
        rows.add_row(
            str(point.index), kind, visible(point.module), f"{point.bytes_per_sample:,}",
            f"{point.params_before_share:.1%}", f"{point.macs_before_share:.1%}", visible(crossing),
        )  # fmt: skip
    _print_table(rows)
    clean = len(bundle.clean_cuts())
    wide = len(bundle.cut_points) - clean
    two = sum(len(point.tensors) == 2 for point in bundle.cut_points)
    blocks = len(bundle.block_cuts())
    show(
        f"{bundle.node_count} nodes: {clean} clean, {wide} wide ({two} of two tensors), {blocks} end a block"
    )


@contextlib.contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """Yield a function that shows progress: a bar on a terminal, nothing in a pipe."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)
        yield lambda what, done, of: bar.update(
            task, description=visible(what), completed=done, total=of or None
        )


def print_verification(bundle: Bundle, verification: Verification) -> None:
    """Print the worst errors and their places."""
    splits = "1 split" if verification.splits == 1 else f"{verification.splits} splits"
    show(f"{bundle.manifest.model}: verified on {splits}, with a tolerance of {TOLERANCE:.0e}")
    if verification.graph is None:
        show("  not compared with PyTorch: the bundle came from an .onnx file")
    for worst in (verification.graph, verification.chains):
        if worst is not None:
            show(f"  worst of {worst}")


def print_models(*, as_json: bool) -> None:
    """Print the built-in models as a table, or as a JSON list."""
    if as_json:
        models = [
            {
                "model": name,
                "input_size": model.input_size,
                "least_size": model.least_size,
                "nodes": model.cuts.nodes,
                "clean_cuts": model.cuts.clean,
                "about": model.about,
            }
            for name, model in ZOO.items()
        ]
        show(*json.dumps(models, indent=1).splitlines())
        return
    numbers = frozenset({"input", "least", "nodes", "clean cuts"})
    rows = _table("model", "input", "least", "nodes", "clean cuts", "about", right=numbers)
    for name, model in ZOO.items():
        sizes = (model.input_size, model.least_size, model.cuts.nodes, model.cuts.clean)
        rows.add_row(name, *map(str, sizes), model.about)
    _print_table(rows)
    show("Your own: package.module:function, file.py:function (see docs/exporting.md), or a file.onnx")


def print_row_head() -> None:
    """Print the head of the verified models' table."""
    show(
        f"{'model':20}{'nodes':>6}{'clean':>6}{'two':>5}{'splits':>7}{'graph':>9}{'chains':>9}"
        f"{'weights':>11}{'stored':>11}{'time':>7}  worst chain"
    )


def print_row(row: "Row") -> None:
    """Print one verified model at once."""
    graph, chains = row.verification.graph, row.verification.chains
    where = (
        f'cut {",".join(map(str, chains.where))}, "{chains.tensor}", batch {chains.batch}' if chains else ""
    )
    show(
        f"{row.model:20}{row.counts.nodes:6}{row.counts.clean:6}{row.counts.wide_of_two:5}"
        f"{row.verification.splits:7}{graph.error if graph else 0:9.1e}{chains.error if chains else 0:9.1e}"
        f"{row.weights_bytes / 1e6:8.1f} MB{row.stored_bytes / 1e6:8.1f} MB{row.elapsed_s:5.0f} s  {where}"
    )
