"""The command line: `python -m virtual_lab COMMAND`. Each command prints `changed` or `unchanged`."""

import argparse
import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from .access import FILES, give_access, list_pis
from .base_root import BaseRoot
from .device import Device
from .errors import VirtualLabError
from .host import check_architecture, check_host, check_namespaces, tools_of_administrators
from .kernel import find_kernel
from .locking import locked
from .namespace import Namespace
from .network import Network
from .pi import Pi

__all__ = ["main"]

# inventory/virtual/pis.py reads it.
NUMBER_OF_PIS = "number_of_pis"
# By the lab's kind: the user who logs in, and the command that brings the lab up.
_USER = {"virtual": "pi", "namespace": "root"}
_UP = {"virtual": "make lab", "namespace": "scripts/lab -e kind=namespaces"}
# What the commands make in the cache; a package that the user put there stays.
CACHE_FILES = ("root-*", "uml-*", "wide_xstate-*", "lock")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns:
        The exit status: 0, 2 after a line on standard error, 130 after Ctrl-C.
    """
    options = _parser().parse_args(arguments)
    tools_of_administrators()
    os.umask(0o022)
    # SIGTERM cleans up like Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        print("changed" if options.run(options) else "unchanged")
    except VirtualLabError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"error: {error.filename or 'this machine'}: {error.strerror}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return 130
    return 0


def _check(options: argparse.Namespace) -> bool:
    _base_root(options, dict(options.command))
    return False


def _build(options: argparse.Namespace) -> bool:
    return _base_root(options).build()


def _network(options: argparse.Namespace) -> bool:
    if options.kind == "namespace":
        check_namespaces()
    lab = _lab(options)
    lab.mkdir(parents=True, exist_ok=True)
    made = changed = Network(lab).up()
    give_access(lab, _UP[options.kind])
    (lab / NUMBER_OF_PIS).write_text(f"{options.pis}\n", encoding="ascii")
    for pi in _pis(lab):
        if int(pi.name.removeprefix("pi")) > options.pis:
            changed |= pi.remove()
        elif made:
            # It is still on the former network, where nothing reaches it.
            pi.pull_plug()
    list_pis(lab, _USER[options.kind])
    return changed


def _up(options: argparse.Namespace) -> bool:
    lab, base_root = _lab(options), _base_root(options)
    pi = Pi(lab, options.name)
    made = pi.make(base_root.path, options.address)
    if made:
        list_pis(lab, _USER["virtual"])
    booted = pi.boot(base_root, memory_mb=options.memory_mb, cpu=_cpu(options))
    pi.wait(options.timeout_s)
    return made or booted


def _up_namespace(options: argparse.Namespace) -> bool:
    check_namespaces()
    lab = _lab(options)
    namespace = Namespace(lab, options.name)
    made = namespace.make(options.address)
    if made:
        list_pis(lab, _USER["namespace"])
    booted = namespace.boot(cpu=_cpu(options))
    namespace.wait(options.timeout_s)
    return made or booted


def _absent(options: argparse.Namespace) -> bool:
    lab = _lab(options)
    if not lab.is_dir():
        return False
    if options.kind == "namespace":
        check_namespaces()
    for pi in _pis(lab):
        pi.remove()
    Network(lab).down()
    shutil.rmtree(lab / "pis", ignore_errors=True)
    for name in (*FILES, NUMBER_OF_PIS):
        (lab / name).unlink(missing_ok=True)
    for folder in (lab, lab.parent):
        if not any(folder.iterdir()):
            folder.rmdir()
    return True


def _purge(options: argparse.Namespace) -> bool:
    cache = _cache(options)
    if not cache.is_dir():
        return False
    with locked(cache / "lock"):
        made = [path for pattern in CACHE_FILES for path in cache.glob(pattern)]
        for path in made:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
    # The default is ~/.cache/edgecut/virtual_pi, whose parent is ours too.
    for folder in (cache, *(parent for parent in [cache.parent] if parent.name == "edgecut")):
        if not any(folder.iterdir()):
            folder.rmdir()
    return True


def _lab(options: argparse.Namespace) -> Path:
    return Path(options.lab).resolve()


def _pis(lab: Path) -> list[Device]:
    return [Device(lab, folder.name) for folder in sorted(lab.glob("pis/pi*"))]


def _cpu(options: argparse.Namespace) -> int:
    cores, turn = sorted(os.sched_getaffinity(0)), int(options.turn)
    return cores[turn % len(cores)]


def _cache(options: argparse.Namespace) -> Path:
    return Path(options.cache).expanduser().resolve()


def _base_root(options: argparse.Namespace, also: Mapping[str, str] | None = None) -> BaseRoot:
    check_architecture()
    cache = _cache(options)
    cache.mkdir(parents=True, exist_ok=True)
    kernel = find_kernel(cache, Path(options.uml_deb).resolve() if options.uml_deb else None, also)
    check_host(needs_compiler=kernel.needs_shim, also=also)
    return BaseRoot(cache=cache, suite=options.suite, kernel=kernel)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="virtual_lab", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    lab = argparse.ArgumentParser(add_help=False)
    lab.add_argument("--lab", required=True, help="folder of the lab")
    cache = argparse.ArgumentParser(add_help=False)
    cache.add_argument("--cache", required=True, help="folder of the base root")
    base = argparse.ArgumentParser(add_help=False, parents=[cache])
    base.add_argument("--suite", required=True, help="Debian release of the Pis, such as bookworm")
    base.add_argument("--uml-deb", default="", help="Debian's user-mode-linux, if not installed")

    check = commands.add_parser("check", parents=[base], help="check what this machine lacks")
    check.add_argument(
        "--command",
        nargs=2,
        action="append",
        default=[],
        metavar=("COMMAND", "PACKAGE"),
        help="a further required command and its Debian package",
    )
    check.set_defaults(run=_check)
    build = commands.add_parser("build", parents=[base], help="build the base root unless it exists")
    build.set_defaults(run=_build)
    kind = argparse.ArgumentParser(add_help=False)
    kind.add_argument("--kind", choices=tuple(_USER), default="virtual", help="default: %(default)s")
    device = argparse.ArgumentParser(add_help=False, parents=[lab])
    device.add_argument("name")
    device.add_argument("--address", required=True)
    device.add_argument("--turn", type=int, required=True, help="index by which it gets a core, from 0")
    device.add_argument("--timeout-s", type=float, default=120)

    network = commands.add_parser("network", parents=[lab, kind], help="create the network and access to it")
    network.add_argument(
        "--pis", type=int, required=True, help="number of devices in the lab; others are removed"
    )
    network.set_defaults(run=_network)
    up = commands.add_parser("up", parents=[device, base], help="start a virtual Pi and wait until it runs")
    up.add_argument("--memory-mb", type=int, required=True)
    up.set_defaults(run=_up)
    up_namespace = commands.add_parser("up-namespace", parents=[device], help="the same for a namespace")
    up_namespace.set_defaults(run=_up_namespace)
    absent = commands.add_parser("absent", parents=[lab, kind], help="remove the lab")
    absent.set_defaults(run=_absent)
    purge = commands.add_parser("purge", parents=[cache], help="empty the cache")
    purge.set_defaults(run=_purge)
    return parser


if __name__ == "__main__":
    sys.exit(main())
