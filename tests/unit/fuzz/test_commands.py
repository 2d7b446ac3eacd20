"""Every command, on whatever is typed: never a traceback, and a refusal is one line and exit code 2."""

import argparse
import contextlib
import io
import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, get_type_hints

import msgspec
import pytest
import typer
import typer.models
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import analysis.__main__ as analysis_cli
import controller.__main__ as controller_cli
import exporter.cli as exporter_cli
import worker.__main__ as worker_cli
from tests.fuzz.seeds import CORPUS, seeds
from tests.fuzz.targets import LAB

Words = list[str]

ODD: Final = (
    *("", "-", "--", "-1", "--1", "0", "1", "9" * 30, "1" * 5000, "nan", "inf", "-inf", "1e400", "0x10"),
    *("²", "٣", ".", "a" * 5000, "line\nbreak", "\x1b[31mred", "[/red]", "[red", "%s", "{x}", "\udcff"),
    *("pi,server", "pi,,", "relu", "clean", "all", "equal", "0,0", "3,2", "uint8", "zstd:99", "json"),
    *("forward: uint8", "pi -> server: zfp:0.01", "poisson:20/s", "constant:1e9/s", "poisson:p99<=1ms"),
    *("1h30m", "99999999999h", "latency", "throughput", "knee", "pareto", "ideal", "lan", "as_is", "hub"),
    *("torch_rpc", "controller", "pi=512MB", "pi=-1"),
)
"""Words that something is made of somewhere. None is a path that leads out of the test's own folder."""

texts = st.one_of(
    st.sampled_from(ODD),
    st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), max_size=12).filter(
        lambda text: ".." not in text
    ),
)
numbers = st.one_of(st.integers(-2, 70_000).map(str), st.floats().map(str), texts)


def make_files(folder: Path) -> list[str]:
    """Files and folders, good and bad; their names, and some of what is not there."""
    shutil.copytree(CORPUS.parent / "bundle", folder / "bundle")
    experiment = (CORPUS / "experiment" / "small").read_bytes()
    (folder / "small.yml").write_bytes(experiment + b"wait_s: 0\nbundles: .\n")
    (folder / "profiles.yml").write_bytes((CORPUS / "networks" / "all").read_bytes())
    (folder / "device_profile.json").write_bytes((CORPUS / "device_profile" / "begin").read_bytes())
    lab = msgspec.json.encode(LAB)
    (folder / "lab.json").write_bytes(lab)
    (folder / "odd_lab.json").write_bytes(
        lab.replace(b'"desk"', b'"[/red]\\u001b"').replace(b".0.1", b".0.1\\n")
    )
    (folder / "results.sqlite").write_bytes(seeds("results")["sweep"])
    (folder / "empty").write_bytes(b"")
    (folder / "binary").write_bytes(bytes(range(256)))
    (folder / "deep.json").write_bytes(b"[" * 50_000)
    (folder / "pid.json").write_bytes(b'{"pid": -7, "began": "then"}')
    (folder / "pids.json").write_bytes(b'{"pid": 1e400, "began": null}')
    (folder / "text.yml").write_bytes(b"? [a]\n: 2001-99-99\n")
    (folder / "folder").mkdir()
    (folder / "link").symlink_to("link")
    names = sorted(path.name for path in folder.iterdir())
    return [*names, "none", "empty/none", "folder/none", "a" * 300]


with tempfile.TemporaryDirectory() as _folder:
    FILES: Final = tuple(make_files(Path(_folder)))


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with such files, to work in."""
    before = Path.cwd()
    folder = tmp_path_factory.mktemp("typed")
    make_files(folder)
    os.chdir(folder)
    yield folder
    os.chdir(before)


class Option:
    """One thing that a command takes: its name on the command line, none where it is known by its place."""

    def __init__(self, name: str | None, kind: str) -> None:
        self.name, self.kind = name, kind

    def words(self) -> st.SearchStrategy[Words]:
        """What may be typed for it."""
        if self.kind == "flag":
            return st.just([self.name or ""])
        likely = {"path": st.sampled_from(FILES), "number": numbers}.get(self.kind, texts)
        value = st.one_of(likely, likely, likely, texts, st.sampled_from(FILES))
        if self.name is None:
            return st.lists(value, min_size=1, max_size=2 if self.kind == "several" else 1)
        return value.map(lambda text: [f"{self.name}={text}"])


Commands = Mapping[str, Sequence[Option]]


def typer_commands(app: typer.Typer) -> Commands:
    """All commands of an app and what they take, from the functions that they are."""
    apps = [app, *(group.typer_instance for group in app.registered_groups if group.typer_instance)]
    found = {}
    for command in itertools.chain(*(one.registered_commands for one in apps)):
        assert command.callback is not None
        name = command.name or command.callback.__name__.replace("_", "-")
        hints = get_type_hints(command.callback, include_extras=True)
        found[name] = [_option(key, hint) for key, hint in hints.items() if key != "return"]
    return found


def _option(key: str, hint: Any) -> Option:
    """From `Annotated[Path | None, typer.Option("--lab")]`."""
    kind, info = hint.__origin__, hint.__metadata__[0]
    kinds = {kind, *getattr(kind, "__args__", ())}
    if list in {getattr(one, "__origin__", None) for one in kinds}:
        told = "several"
    elif Path in kinds:
        told = "path"
    elif {int, float} & kinds:
        told = "number"
    else:
        told = "flag" if bool in kinds else "text"
    if isinstance(info, typer.models.ArgumentInfo):
        return Option(None, told)
    return Option((info.param_decls or (f"--{key.replace('_', '-')}",))[0], told)


def worker_commands() -> Commands:
    """The same, from argparse."""
    (commands,) = (
        action for action in worker_cli._parser()._actions if isinstance(action, argparse._SubParsersAction)
    )
    return {
        name: [
            Option(
                action.option_strings[0] if action.option_strings else None,
                "path" if action.type is Path else "number" if action.type else "text",
            )
            for action in parser._actions
            if "--help" not in action.option_strings
        ]
        for name, parser in commands.choices.items()
    }


# What keeps a command from doing what it is for: to serve, to wait, to export ten models, to measure long.
_KEPT_SHORT: Final[Mapping[tuple[str, str], Words]] = {
    ("worker", "serve"): ["--store=empty/none"],
    ("worker", "start"): ["--store=empty/none", "--pid-file=pid.json"],
    ("worker", "ask"): ["--host=127.0.0.1"],
    ("exporter", "verify-models"): ["none"],
    ("exporter", "train"): ["none", "--epochs=1"],
    ("controller", "bench"): ["--show"],
    ("controller", "watch"): ["--once"],
    ("analysis", "report"): ["--figures="],
    ("analysis", "compare"): ["--figures="],
}
_MAINS: Final[Mapping[str, Callable[[Sequence[str]], int]]] = {
    "worker": worker_cli.main,
    "exporter": exporter_cli.main,
    "controller": controller_cli.main,
    "analysis": analysis_cli.main,
}
_COMMANDS: Final[Mapping[str, Commands]] = {
    "worker": worker_commands(),
    "exporter": typer_commands(exporter_cli.app),
    "controller": typer_commands(controller_cli.app),
    "analysis": typer_commands(analysis_cli.app),
}
_EXAMPLES: Final = {"worker": 120, "exporter": 80, "controller": 200, "analysis": 60}


def typed(package: str) -> st.SearchStrategy[Words]:
    """A command line of this package: most of them nearly right."""
    return st.one_of(
        st.lists(texts, min_size=1, max_size=4),
        *(_one_command(package, name, options) for name, options in _COMMANDS[package].items()),
    )


def _one_command(package: str, name: str, options: Sequence[Option]) -> st.SearchStrategy[Words]:
    places = [option.words() for option in options if option.name is None]
    named = [option.words() for option in options if option.name is not None]
    some = st.lists(st.one_of(*named), max_size=4) if named else st.just([])
    kept_short = _KEPT_SHORT.get((package, name), [])
    return st.tuples(some, *places).map(
        lambda parts: [name, *itertools.chain(*parts[0]), *kept_short, *itertools.chain(*parts[1:])]
    )


def said_by(package: str, words: Words) -> tuple[int, str, str]:
    """Run a command line; its exit code, and what it said on stdout and stderr."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = _MAINS[package](words)
        except SystemExit as ended:
            # argparse, after its help.
            code = int(ended.code or 0)
    return code, out.getvalue(), err.getvalue()


def check(package: str, words: Words) -> None:
    """See that it ends as it should."""
    code, out, err = said_by(package, words)
    assert code in (0, 1, 2), (code, err)
    if code == 2 and (err or not out):
        # Who found devices that are not well has shown them in a table.
        assert err.startswith("error: "), err
        assert err.count("\n") == 1, err
        assert err.rstrip("\n").isprintable(), err


@pytest.mark.usefixtures("there")
@pytest.mark.parametrize(
    ("package", "words"),
    [
        ("worker", ["check", "--store=--", "0" * 64]),
        ("worker", ["stop", "--pid-file=--"]),
        ("worker", ["stop", "--pid-file=deep.json"]),
        ("worker", ["stop", "--pid-file=pids.json"]),
        ("worker", ["check", "--store=" + "a" * 5000, "0" * 64]),
        ("exporter", ["cuts", "a" * 5000]),
        ("exporter", ["verify", "bundle", "--splits=--1"]),
        ("controller", ["sweep", "text.yml"]),
        ("controller", ["sweep", "a" * 5000]),
        ("controller", ["status", "--lab=a\x1b[31m\nb"]),
        ("controller", ["run", "bundle", "--at=3", "--lab=lab.json", "--load=constant:" + "9" * 400 + "/s"]),
        ("controller", ["certificate", "", "--authority=folder"]),
        ("analysis", ["best", "a" * 5000]),
        ("analysis", ["best", "binary"]),
    ],
)
def test_what_once_ended_in_a_traceback(package: str, words: Words) -> None:
    code, out, err = said_by(package, words)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert err.rstrip("\n").isprintable()


@pytest.mark.usefixtures("there")
def test_brackets_in_names_are_shown_as_they_are() -> None:
    code, out, err = said_by("controller", ["status", "--lab=odd_lab.json"])
    assert (code, err) == (2, "")
    assert "[/red]" in out
    code, out, err = said_by("controller", ["watch", "--once", ""])
    assert (code, err) == (0, "") or err.startswith("error: ")


@pytest.mark.usefixtures("there")
@pytest.mark.parametrize("package", list(_MAINS))
def test_no_command_line_ends_in_a_traceback(package: str) -> None:
    @settings(max_examples=_EXAMPLES[package], deadline=None, suppress_health_check=list(HealthCheck))
    @given(typed(package))
    def run(words: Words) -> None:
        check(package, words)

    run()
