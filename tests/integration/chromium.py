"""A page in Chromium, without any network: its elements, its visible words, its printed pages."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

__all__ = ["CHROMIUM", "MOST_PAGES", "MOST_WORDS", "browse", "pages_printed", "visible_words", "with_script"]

CHROMIUM: Final = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None
)

MOST_WORDS: Final = 2500
MOST_PAGES: Final = 8
"""What the demo's report may have."""

# What the page shows as it is opened, with the texts of its figures.
_COUNT: Final = """<script type="module">
const waiting = setInterval(() => {
  if (!document.documentElement.dataset.charts) return;
  clearInterval(waiting);
  document.documentElement.dataset.words = document.body.innerText.split(/\\s+/).filter(Boolean).length;
}, 50);
</script>"""


def browse(page: Path, profile: Path, *options: str) -> tuple[str, str]:
    """What the browser printed of the page, and what it logged.

    Args:
        profile: The folder of the browser's own files.
    """
    assert CHROMIUM is not None
    run = subprocess.run(
        [
            CHROMIUM,
            *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
            # Every name fails to resolve and every address is refused by a proxy that is not there.
            *("--host-resolver-rules=MAP * ~NOTFOUND", "--proxy-server=127.0.0.1:9"),
            *("--enable-logging=stderr", "--v=0", f"--user-data-dir={profile}"),
            *("--virtual-time-budget=20000", *options),
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return run.stdout, run.stderr


def with_script(page: Path, copy: Path, script: str) -> Path:
    """A copy of the page with a script at its end."""
    text = page.read_text(encoding="utf-8")
    end = text.rindex("</body>")
    copy.write_text(text[:end] + script + text[end:], encoding="utf-8")
    return copy


def visible_words(page: Path, folder: Path) -> int:
    """Words of the page as it is opened on a desktop, those of its figures included."""
    counted = with_script(page, folder / "counted.html", _COUNT)
    dom, _ = browse(counted, folder / "profile", "--window-size=1280,900", "--dump-dom")
    words = re.search(r'<html[^>]*data-words="(\d+)"', dom)
    assert words, "all figures are drawn"
    return int(words[1])


def pages_printed(page: Path, folder: Path) -> int:
    """How many pages the page prints on."""
    printed = folder / "printed.pdf"
    browse(page, folder / "profile", f"--print-to-pdf={printed}", "--no-pdf-header-footer")
    return len(re.findall(rb"/Type\s*/Page\b(?!s)", printed.read_bytes()))
