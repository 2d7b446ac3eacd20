"""The pages that people read, taken apart: what is code in them, and what is not."""

import re
import textwrap
from pathlib import Path
from typing import Final

__all__ = ["PAGES", "ROOT", "blocks_of", "code_of", "name_of", "prose_of"]

ROOT: Final = Path(__file__).parents[1]
PAGES: Final = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))

_FENCED: Final = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INDENTED: Final = re.compile(r"(?<=\n\n)((?: {4}[^\n]*\n)+)")
_INLINE: Final = re.compile(r"`([^`\n]+)`")


def name_of(page: Path) -> str:
    """What a test of this page is called."""
    return page.relative_to(ROOT).as_posix()


def prose_of(page: Path) -> str:
    """The page without its code; headings and links stay."""
    text = _FENCED.sub("\n", page.read_text(encoding="utf-8"))
    return _INLINE.sub("``", text)


def blocks_of(page: Path) -> list[str]:
    """Its blocks of code."""
    text = page.read_text(encoding="utf-8")
    indented = _INDENTED.findall(_FENCED.sub("\n", text))
    return [*_FENCED.findall(text), *(textwrap.dedent(block) for block in indented)]


def code_of(page: Path) -> list[str]:
    """The lines of its blocks of code, and what is code within a line."""
    rest = _FENCED.sub("\n", page.read_text(encoding="utf-8"))
    lines = [line.strip() for block in blocks_of(page) for line in block.splitlines()]
    return [*lines, *_INLINE.findall(rest)]
