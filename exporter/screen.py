"""What the commands print: tables on a terminal, plain text in a pipe."""

import json

import msgspec
from rich.console import Console
from rich.table import Table

from exporter.bundle import Bundle, accuracy

__all__ = ["console", "print_bundle", "print_cuts", "print_cuts_json", "table"]

_PIPE_WIDTH = 160


def console() -> Console:
    """Return a console for stdout; in a pipe it does not colour, and does not wrap to 80 columns."""
    made = Console(highlight=False)
    return made if made.is_terminal else Console(highlight=False, width=_PIPE_WIDTH)


def table(*columns: str, right: frozenset[str] = frozenset()) -> Table:
    """Return an empty table without box drawing; columns in `right` hold numbers."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", no_wrap=True)
    return made


def print_bundle(bundle: Bundle) -> None:
    """Print what a bundle holds, in a few lines."""
    manifest = bundle.manifest
    samples = bundle.samples()
    score = accuracy(bundle, samples.answers, samples.labels)
    total = sum(entry.size_bytes for entry in bundle.files.values())
    lines = [
        f"{bundle.path}: {manifest.model}, weights: {manifest.weights}",
        f"  {manifest.node_count} nodes, {len(bundle.clean_cuts())} clean cut points, "
        f"{len(bundle.cut_points) - len(bundle.clean_cuts())} wide; batch {manifest.batch}",
        f"  {manifest.parameters:,} parameters, {manifest.multiply_adds:,} multiply-adds a sample; "
        f"{total / 1e6:.1f} MB of which weights {manifest.weights_bytes / 1e6:.1f} MB",
        f"  {samples.count} samples of {manifest.dataset}, accuracy of the whole graph: "
        + (f"{score:.4f} ({manifest.metric})" if score is not None else "null (no labels for this model's classes)"),
        f"  digest {bundle.digest}",
    ]
    if not manifest.trained:
        lines.insert(1, "  UNTRAINED: good for timing, its answers mean nothing")
    print("\n".join(lines))


def print_cuts(bundle: Bundle) -> None:
    """Print the cut points as a table."""
    numbers = frozenset({"cut", "bytes/sample", "params", "mult-adds"})
    rows = table("cut", "kind", "after", "bytes/sample", "params", "mult-adds", "crossing", right=numbers)
    for point in bundle.cut_points:
        kind = "block" if point.block else "clean" if point.clean else "wide"
        crossing = "  ".join(f"{t.name}[{','.join(map(str, t.shape))}]" for t in point.tensors)
        rows.add_row(
            str(point.index), kind, point.module, f"{point.bytes_per_sample:,}",
            f"{point.params_before_share:.1%}", f"{point.macs_before_share:.1%}", crossing,
        )  # fmt: skip
    console().print(rows)
    clean = len(bundle.clean_cuts())
    wide = len(bundle.cut_points) - clean
    two = sum(len(point.tensors) == 2 for point in bundle.cut_points)
    print(f"{bundle.node_count} nodes: {clean} clean, {wide} wide ({two} with two tensors), {len(bundle.block_cuts())} end a block")


def print_cuts_json(bundle: Bundle) -> None:
    """Print the cut points as a JSON list."""
    print(json.dumps(msgspec.to_builtins(bundle.cut_points), indent=1))
