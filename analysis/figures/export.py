"""A specification -> a file, without a browser."""

import base64
import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import vl_convert

from analysis.errors import FigureError
from analysis.figures.base import Figure
from analysis.figures.theme import PAPER, config

__all__ = ["FORMATS", "VEGA_LITE", "check_formats", "export", "exporting", "rendered"]

FORMATS = ("pdf", "svg", "png")
VEGA_LITE = "6.4"
"""The version that altair writes and vl-convert draws; the report's browser bundle is of it too."""

_PNG_PIXELS_PER_INCH = 300
_PROCESSES = 2


def check_formats(text: str) -> tuple[str, ...]:
    """`pdf,svg` -> ("pdf", "svg").

    Raises:
        FigureError: One of them is not a format of ours.
    """
    formats = tuple(name.strip().lower() for name in text.split(",") if name.strip())
    for name in formats:
        if name not in FORMATS:
            raise FigureError(f"--figures {text}: no such format {name!r}; have {', '.join(FORMATS)}")
    return formats


def export(spec: dict[str, Any], stem: Path, formats: Sequence[str]) -> list[Path]:
    """Write `spec` as STEM.pdf, STEM.svg, STEM.png; the files written."""
    spec = _with_images(spec) | {"config": config(PAPER)}
    svg = vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE)
    written = []
    for name in formats:
        path = stem.with_name(f"{stem.name}.{name}")
        path.write_bytes(_converted(svg, name))
        written.append(path)
    return written


@contextmanager
def exporting(figures: Mapping[str, Figure], folder: Path, formats: Sequence[str]) -> Iterator[None]:
    """Write every figure to `folder` while the block runs; it is made if there is something to write.

    Converting takes 150 MB, which only the end of its process gives back, and most of a report's time: it has
    processes of its own.

    Raises:
        FigureError: A figure cannot be converted or written.
    """
    if not formats or not figures:
        yield
        return
    folder.mkdir()
    with ExitStack() as stack:
        specs = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(_PROCESSES)]
        for (name, draw), lines in zip(figures.items(), itertools.cycle(specs), strict=False):
            lines.write(json.dumps([name, draw(PAPER)]).encode() + b"\n")
        said = stack.enter_context(tempfile.TemporaryFile())
        command = [sys.executable, "-m", "analysis.figures.export", str(folder), *formats]
        processes = []
        for lines in specs:
            lines.seek(0)
            processes.append(stack.enter_context(subprocess.Popen(command, stdin=lines, stderr=said)))
        try:
            yield
        except BaseException:
            for converting in processes:
                converting.terminate()
            raise
        for converting in processes:
            converting.wait()
        if any(converting.returncode for converting in processes):
            said.seek(0)
            last = said.read().decode(errors="replace").strip().splitlines()[-1:]
            raise FigureError(f"the figures in {folder} cannot be written ({' '.join(last)})")


def rendered(spec: dict[str, Any], name: str) -> bytes:
    """A specification, with its configuration, drawn in one of `FORMATS`."""
    return _converted(vl_convert.vegalite_to_svg(_with_images(spec), vl_version=VEGA_LITE), name)


def _export_lines(lines: Iterable[bytes], folder: Path, formats: Sequence[str]) -> None:
    for line in lines:
        name, spec = json.loads(line)
        export(spec, folder / name, formats)


def _with_images(part: dict[str, Any]) -> dict[str, Any]:
    """Each image as its bytes, where its specification stands."""
    for kind in ("layer", "vconcat"):
        if kind in part:
            part = {**part, kind: [_with_images(child) for child in part[kind]]}
    rows = part.get("data", {}).get("values", [])
    if not any(isinstance(row.get("url"), dict) for row in rows):
        return part
    return {**part, "data": {"values": [{**row, "url": _image(row["url"])} for row in rows]}}


def _image(spec: Mapping[str, Any]) -> str:
    png = vl_convert.vegalite_to_png(dict(spec), vl_version=VEGA_LITE, ppi=_PNG_PIXELS_PER_INCH, scale=1)
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _converted(svg: str, name: str) -> bytes:
    if name == "svg":
        return svg.encode()
    if name == "pdf":
        return vl_convert.svg_to_pdf(svg)
    # 72 units of the specification are an inch, so that 7 units are a 7-point letter.
    return vl_convert.svg_to_png(svg, ppi=_PNG_PIXELS_PER_INCH, scale=1)


if __name__ == "__main__":
    _export_lines(sys.stdin.buffer, Path(sys.argv[1]), sys.argv[2:])
