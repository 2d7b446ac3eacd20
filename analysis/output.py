"""A folder of what the analysis makes, written whole or not at all."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from analysis.errors import OutputError

__all__ = ["written_whole"]


@contextmanager
def written_whole(out: Path, prefix: str) -> Iterator[Path]:
    """A folder within `out` to write to; its files are moved to `out` when the body has written them all.

    A failure leaves what was in `out` as it was.

    Raises:
        OutputError: `out` cannot be made or written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=prefix, dir=out))
    except OSError as error:
        raise OutputError(f"{out}: {error.strerror}; name a folder you may write to with --out") from error
    try:
        yield draft
        for source in sorted(p for p in draft.rglob("*") if p.is_file()):
            target = out / source.relative_to(draft)
            target.parent.mkdir(exist_ok=True)
            source.replace(target)
    except OSError as error:
        raise OutputError(f"{out}: {error.strerror}; name another folder with --out") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
