"""The command line: `python -m wheelhouse --root EDGECUT ...` prints a kind of device's wheels as JSON.

It imports the package `worker` of that folder, which computes its own digest.
"""

import argparse
import fcntl
import hashlib
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .archive import fetch
from .errors import WheelhouseError
from .target import Target, base_requirements
from .worker_wheel import build_worker_wheel

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch missing wheels and print the JSON.

    Returns:
        The exit status: 0, 2 after a line on standard error, 130 after Ctrl-C.
    """
    options = _parser().parse_args(arguments)
    os.umask(0o022)
    # SIGTERM cleans up like Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        print(json.dumps(_prepare(options)))
    except WheelhouseError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"error: {error.filename or options.cache}: {error.strerror}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return 130
    return 0


def _prepare(options: argparse.Namespace) -> dict[str, Any]:
    root, cache = Path(options.root).resolve(), Path(options.cache).expanduser().resolve()
    extras = tuple(dict.fromkeys(sorted(options.extra)))
    target = Target(options.architecture, options.python, options.provider, extras)
    requirements = target.requirements(base_requirements(root, extras))
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache / "lock"):
        worker = build_worker_wheel(root, cache, _source_digest(root))
        result = {
            "worker": str(worker.path),
            "worker_digest": worker.digest,
            "requirements": requirements,
        }
        if options.online:
            digest = hashlib.sha256(json.dumps(requirements).encode()).hexdigest()
            # The device's pip gets them as arguments, options included.
            result["requirements"] = [*requirements, *target.index_options()]
            return {**result, "digest": f"online {digest}", "changed": False}
        archive, fetched = fetch(target, requirements, cache)
    return {
        **result,
        "archive": str(archive.path),
        "wheels": sorted(archive.wheels),
        "digest": archive.digest,
        "changed": fetched,
    }


def _source_digest(root: Path) -> Callable[[Path], str]:
    """That of the repository itself, which need not be installed where the playbooks run."""
    sys.path.insert(0, str(root))
    from worker.host.device import source_digest  # noqa: PLC0415 - on the path only now

    return source_digest


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock file at `path`: devices of one kind ask side by side."""
    with path.open("w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="wheelhouse", description=__doc__)
    parser.add_argument("--root", required=True, help="folder of edgecut")
    parser.add_argument("--cache", required=True, help="folder of the fetched wheels")
    parser.add_argument("--architecture", required=True, help="the device's: aarch64 or x86_64")
    parser.add_argument("--python", required=True, help="the device's, such as 3.11")
    parser.add_argument("--provider", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--extra", action="append", default=[], help="of pyproject.toml: codecs, torch_rpc")
    parser.add_argument("--online", action="store_true", help="the device fetches its wheels itself")
    return parser


if __name__ == "__main__":
    sys.exit(main())
