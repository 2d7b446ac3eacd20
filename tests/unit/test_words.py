"""User-facing text is plain English: refuse words and turns of phrase that make a reader stop.

Text that still has some is counted in `words_allowed.txt`, one `path: phrase count` a line. That file may
only shrink: a count that is higher than needed fails too.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.pages import PAGES, ROOT, prose_of

ALLOWED: Final = Path(__file__).with_name("words_allowed.txt")
PHRASES: Final = {
    phrase: re.compile(rf"\b{pattern}\b", re.IGNORECASE)
    for phrase, pattern in {
        "anew": "anew",
        "goes on": "goes on",
        "is there that": "is there that",
        "nobody": "nobody",
        # "because of it", "instead of it" and "out of it" are English; "the end of it" is "its end".
        "of it": r"(?<!\bbecause )(?<!\binstead )(?<!\bout )of it(?!')",
        "out of its wits": "out of its wits",
        "somebody": "somebody",
        "takes up": "takes up",
        "which we are": "which we are",
        "whichever": "whichever",
        "whoever": "whoever",
    }.items()
}
_PACKAGES: Final = (
    "exporter",
    "worker",
    "controller",
    "analysis",
    "benchmarks",
    "edgecut",
    "ansible",
    "inventory",
)
_TOLD_BY_ANSIBLE: Final = {"name", "msg", "fail_msg", "success_msg", "short_description", "description"}


def texts_of(path: Path) -> Iterator[str]:
    """User-facing texts of a file of Python, of Ansible, of a template or of a page."""
    if path.suffix == ".py":
        yield from _of_python(ast.parse(path.read_text(encoding="utf-8")))
    elif path.suffix == ".yml":
        for document in yaml.load_all(path.read_text(encoding="utf-8"), _AnyTag):
            yield from _of_ansible(document)
    elif path.suffix == ".md":
        yield prose_of(path)
    else:
        yield path.read_text(encoding="utf-8")


def _of_python(tree: ast.Module) -> Iterator[str]:
    """All strings but docstrings; of those, the ones that `--help` shows."""
    nodes = list(ast.walk(tree))
    silent = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    parts = {id(value) for node in nodes if isinstance(node, ast.JoinedStr) for value in node.values}
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                str(value.value) if isinstance(value, ast.Constant) else "{}" for value in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) not in silent and id(node) not in parts:
                yield node.value
        elif isinstance(node, ast.FunctionDef) and any(map(_makes_a_command, node.decorator_list)):
            yield ast.get_docstring(node) or ""
        elif isinstance(node, ast.keyword) and getattr(node.value, "id", None) == "__doc__":
            yield ast.get_docstring(tree) or ""


def _makes_a_command(decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(called, ast.Attribute) and called.attr in {"command", "callback"}


class _AnyTag(yaml.SafeLoader):
    """Reads tags of Ansible's own, such as `!unsafe`, as plain text."""


_AnyTag.add_multi_constructor("!", lambda loader, tag, node: str(node.value))


def _of_ansible(told: Any, key: str = "") -> Iterator[str]:
    if isinstance(told, dict):
        for name, value in told.items():
            yield from _of_ansible(value, name)
    elif isinstance(told, list):
        for value in told:
            yield from _of_ansible(value, key)
    elif isinstance(told, str) and key in _TOLD_BY_ANSIBLE:
        yield told


def read_files() -> Iterator[Path]:
    """All files with user-facing text."""
    yield from PAGES
    yield ROOT / "Makefile"
    yield from sorted((ROOT / "scripts").iterdir())
    for package in _PACKAGES:
        for suffix in ("py", "yml", "j2", "html"):
            yield from sorted((ROOT / package).rglob(f"*.{suffix}"))


def found_in(text: str) -> Counter[str]:
    """How often each phrase is in a text."""
    words = " ".join(text.split())
    return Counter({phrase: n for phrase, pattern in PHRASES.items() if (n := len(pattern.findall(words)))})


def test_user_facing_text_is_plain_english() -> None:
    found = Counter[str]()
    for path in read_files():
        for text in texts_of(path):
            for phrase, count in found_in(text).items():
                found[f"{path.relative_to(ROOT).as_posix()}: {phrase}"] += count
    allowed = Counter[str]()
    for line in ALLOWED.read_text(encoding="utf-8").splitlines():
        place, _, number = line.rpartition(" ")
        allowed[place] = int(number)
    assert sorted((found - allowed).items()) == [], "say it in other words"
    assert sorted((allowed - found).items()) == [], f"lower these counts in {ALLOWED.name}"


@pytest.mark.parametrize(
    ("source", "phrases"),
    [
        ('raise ValueError(f"{name}: nobody answers")', ["nobody"]),
        ('print("it goes " "on, and the\\nend of it.")', ["goes on", "of it"]),
        ('"""Whoever reads the code."""\nx = 1\n"""Somebody."""', []),
        ('"""Begin anew."""\nparser(description=__doc__)', ["anew"]),
        ('@app.command("x")\ndef x() -> None:\n    """Take the last of it."""', ["of it"]),
        ('def x() -> None:\n    """Take the last of it."""', []),
        ('say("because of it, out of its way, of items")', []),
    ],
)
def test_phrases_are_seen_where_a_user_reads_them(tmp_path: Path, source: str, phrases: list[str]) -> None:
    (tmp_path / "module.py").write_text(source, encoding="utf-8")
    assert sorted(found_in("\n".join(texts_of(tmp_path / "module.py")))) == phrases


def test_phrases_are_seen_in_what_ansible_says(tmp_path: Path) -> None:
    tasks = (
        "- name: Begin anew\n  assert: {that: nobody, fail_msg: [a, 'whoever {{ x }}']}\n  when: !unsafe it\n"
    )
    (tmp_path / "tasks.yml").write_text(tasks, encoding="utf-8")
    assert sorted(found_in("\n".join(texts_of(tmp_path / "tasks.yml")))) == ["anew", "whoever"]
