"""How long a page is in Chromium: its visible words, its printed pages."""

import re
from pathlib import Path
from typing import Final

from benchmarks.pages.browser import browse

__all__ = ["DRAWN", "MOST_PAGES", "MOST_WORDS", "lengths"]

MOST_WORDS: Final = 2500
MOST_PAGES: Final = 8
"""What the demo's report may have."""

DRAWN: Final = "document.documentElement.dataset.charts"
"""True once a page has drawn all of its figures."""

_WORDS: Final = "document.body.innerText.split(/\\s+/).filter(Boolean).length"


def lengths(page: Path) -> tuple[int, int]:
    """The words of the page as a desktop shows it, those of its figures included, and its pages on paper."""
    with browse("chromium") as browser:
        browser.resize(1280, 900)
        browser.open(page)
        browser.wait_for(DRAWN)
        words = int(browser.evaluate(_WORDS))
        return words, len(re.findall(rb"/Type\s*/Page\b(?!s)", browser.pdf()))
