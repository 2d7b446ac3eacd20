"""What the commands print: tables on a terminal, plain text in a pipe."""

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from exporter.bundle import Bundle, accuracy
from exporter.models.zoo import ZOO
from exporter.verify import TOLERANCE, Verification

if TYPE_CHECKING:
    from exporter.verify_models import Row  # needs torch, which takes seconds to import

__all__ = [
    "print_bundle",
    "print_cuts",
    "print_cuts_json",
    "print_models",
    "print_row",
    "print_row_head",
    "print_verification",
    "progress",
]

_PIPE_WIDTH = 160


def _console() -> Console:
    """Return a console for stdout; in a pipe it does not colour, and does not wrap to 80 columns."""
    made = Console(highlight=False, markup=False, emoji=False)
    return (
        made if made.is_terminal else Console(highlight=False, markup=False, emoji=False, width=_PIPE_WIDTH)
    )


def _table(*columns: str, right: frozenset[str] = frozenset()) -> Table:
    """Return an empty table without box drawing; columns in `right` hold numbers."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", no_wrap=True)
    return made


def print_bundle(bundle: Bundle) -> None:
    """Print what a bundle holds, in a few lines."""
    manifest, samples = bundle.manifest, bundle.samples()
    score = accuracy(bundle, samples.answers, samples.labels)
    told = f"{score:.4f} ({manifest.metric})" if score is not None else "null, no labels for its classes"
    clean, total = len(bundle.clean_cuts()), sum(entry.size_bytes for entry in bundle.files.values())
    print(f"{bundle.path}: {manifest.model}, weights: {manifest.weights}")
    if not manifest.trained:
        print("  UNTRAINED: good for timing, its answers mean nothing")
    print(
        f"  {manifest.node_count} nodes, {clean} clean cut points, {len(bundle.cut_points) - clean} wide; "
        f"batch {manifest.batch}\n"
        f"  {manifest.parameters:,} parameters, {manifest.multiply_adds:,} multiply-adds a sample; "
        f"{total / 1e6:.1f} MB, of which weights {manifest.weights_bytes / 1e6:.1f} MB\n"
        f"  {samples.count} samples of {manifest.dataset}, accuracy of the whole graph: {told}\n"
        f"  digest {bundle.digest}"
    )


def print_cuts(bundle: Bundle) -> None:
    """Print the cut points as a table."""
    numbers = frozenset({"cut", "bytes/sample", "params", "mult-adds"})
    rows = _table("cut", "kind", "after", "bytes/sample", "params", "mult-adds", "crossing", right=numbers)
    for point in bundle.cut_points:
        kind = "block" if point.block else "clean" if point.clean else "wide"
        crossing = "  ".join(f"{t.name}[{','.join(map(str, t.shape))}]" for t in point.tensors)
        rows.add_row(
            str(point.index), kind, point.module, f"{point.bytes_per_sample:,}",
            f"{point.params_before_share:.1%}", f"{point.macs_before_share:.1%}", crossing,
        )  # fmt: skip
    _console().print(rows)
    clean = len(bundle.clean_cuts())
    wide = len(bundle.cut_points) - clean
    two = sum(len(point.tensors) == 2 for point in bundle.cut_points)
    blocks = len(bundle.block_cuts())
    print(
        f"{bundle.node_count} nodes: {clean} clean, {wide} wide ({two} of two tensors), {blocks} end a block"
    )


def print_cuts_json(bundle: Bundle) -> None:
    """Print the cut points as a JSON list."""
    print(json.dumps(msgspec.to_builtins(bundle.cut_points), indent=1))


@contextlib.contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """Give a function that shows how many of all are done: a bar on a terminal, nothing in a pipe."""
    shown = Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=shown, transient=True, disable=not shown.is_terminal) as bar:
        task = bar.add_task("", total=None)
        yield lambda what, done, of: bar.update(task, description=what, completed=done, total=of or None)


def print_verification(bundle: Bundle, found: Verification) -> None:
    """Print the worst errors, and where."""
    splits = "1 split" if found.splits == 1 else f"{found.splits} splits"
    print(f"{bundle.manifest.model}: verified on {splits}, errors of at most {TOLERANCE:.0e} are allowed")
    if found.graph is None:
        print("  no PyTorch model to compare with: made from an .onnx file")
    for worst in (found.graph, found.chains):
        if worst is not None:
            print(f"  worst of {worst}")


def print_models() -> None:
    """Print the models of the zoo."""
    numbers = frozenset({"input", "least", "nodes", "clean cuts"})
    rows = _table("model", "input", "least", "nodes", "clean cuts", "about", right=numbers)
    for name, model in ZOO.items():
        sizes = (model.input_size, model.least_size, model.cuts.nodes, model.cuts.clean)
        rows.add_row(name, *map(str, sizes), model.about)
    _console().print(rows)
    print("Any other: package.module:function, file.py:function (see docs/exporting.md), or a file.onnx")


def print_row_head() -> None:
    """Print the head of the table of verified models."""
    print(
        f"{'model':20}{'nodes':>6}{'clean':>6}{'two':>5}{'splits':>7}{'graph':>9}{'chains':>9}"
        f"{'weights':>11}{'stored':>11}{'time':>7}  worst chain"
    )


def print_row(row: "Row") -> None:
    """Print a verified model, as soon as it is one."""
    graph, chains = row.verification.graph, row.verification.chains
    where = (
        f'cut {",".join(map(str, chains.where))}, "{chains.tensor}", batch {chains.batch}' if chains else ""
    )
    print(
        f"{row.model:20}{row.counts.nodes:6}{row.counts.clean:6}{row.counts.wide_of_two:5}"
        f"{row.verification.splits:7}{graph.error if graph else 0:9.1e}{chains.error if chains else 0:9.1e}"
        f"{row.weights_bytes / 1e6:8.1f} MB{row.stored_bytes / 1e6:8.1f} MB{row.elapsed_s:5.0f} s  {where}",
        flush=True,
    )
