"""The command line: `python -m wheelhouse --root EDGECUT ...` tells as JSON what a kind of device gets.

It runs in the folder of edgecut, so that the package `worker` of the same folder can be asked for its digest.
"""

import argparse
import fcntl
import hashlib
import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from worker.host.device import source_digest

from .archive import fetch
from .errors import WheelhouseError
from .target import Target, base_requirements
from .worker_wheel import build_worker_wheel

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """See that the wheels are there and tell of them.

    Returns:
        The exit status: 0, 2 after a line on standard error, 130 after Ctrl-C.
    """
    given = _parser().parse_args(arguments)
    os.umask(0o022)
    # So that an end asked for is cleaned up after like Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        print(json.dumps(_prepare(given)))
    except WheelhouseError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"error: {error.filename or given.cache}: {error.strerror}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return 130
    return 0


def _prepare(given: argparse.Namespace) -> dict[str, Any]:
    root, cache = Path(given.root).resolve(), Path(given.cache).expanduser().resolve()
    extras = tuple(dict.fromkeys(sorted(given.extra)))
    target = Target(given.architecture, given.python, given.provider, extras)
    requirements = target.requirements(base_requirements(root, extras))
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache / "lock"):
        worker = build_worker_wheel(root, cache, source_digest)
        told = {
            "worker": str(worker.path),
            "worker_digest": worker.digest,
            "requirements": requirements,
        }
        if given.online:
            digest = hashlib.sha256(json.dumps(requirements).encode()).hexdigest()
            # They are what the device's pip is given, so its options may be among them.
            told["requirements"] = [*requirements, *target.index_options()]
            return {**told, "digest": f"online {digest}", "changed": False}
        archive, fetched = fetch(target, requirements, cache)
    return {
        **told,
        "archive": str(archive.path),
        "wheels": sorted(archive.wheels),
        "digest": archive.digest,
        "changed": fetched,
    }


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One at a time: devices of one kind ask side by side."""
    with path.open("w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="wheelhouse", description=__doc__)
    parser.add_argument("--root", required=True, help="the folder of edgecut")
    parser.add_argument("--cache", required=True, help="the folder that keeps the wheels")
    parser.add_argument("--architecture", required=True, help="of the device: aarch64, x86_64")
    parser.add_argument("--python", required=True, help="of the device, such as 3.11")
    parser.add_argument("--provider", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--extra", action="append", default=[], help="of pyproject.toml: codecs, torch_rpc")
    parser.add_argument("--online", action="store_true", help="the device fetches for itself")
    return parser


if __name__ == "__main__":
    sys.exit(main())
