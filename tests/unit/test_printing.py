"""All printing goes through one floor per package, which escapes foreign text and outlives its terminal."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("exporter", "worker", "controller", "analysis", "benchmarks")
SOURCES = {
    str(path.relative_to(ROOT)): path
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
}

PRINTS = ("exporter/terminal.py", "worker/terminal.py")
"""They alone write to a standard stream."""

DRAWS = ("exporter/screen.py", "controller/console.py", "analysis/report/terminal.py")
"""They alone make consoles, and texts and views of their own, which rich shows unescaped."""

WRITERS = {
    "print",
    "typer.echo",
    "typer.secho",
    "sys.stdout.write",
    "sys.stderr.write",
    "os.write",
    "sys.exit",
}
DRAWERS = {
    "rich.live",
    "rich.progress",
    "rich.text",
    "rich.markup",
    "rich.prompt",
    "rich.pretty",
    "rich.logging",
}


def offences(tree: ast.AST, *, draws: bool = False) -> list[str]:
    """Where a module prints by itself."""
    found = []
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="print")) | ast.Name(id="print"):
                found.append("print")
            case ast.Call() if ast.unparse(node.func) in WRITERS and not says_nothing(node):
                found.append(ast.unparse(node))
            case ast.Call() if ast.unparse(node.func).startswith("traceback.print_"):
                found.append(ast.unparse(node))
            case ast.Attribute(attr="buffer" | "__stdout__" | "__stderr__") if "sys.std" in ast.unparse(node):
                found += [ast.unparse(node)] if "stdin" not in ast.unparse(node) else []
            case ast.ImportFrom(module=str(module)) if not draws:
                names = {name.name for name in node.names}
                if module in DRAWERS or (module == "rich.console" and "Console" in names) or module == "rich":
                    found += [f"from {module} import {', '.join(names)}"] if names != {"box"} else []
            case ast.Import() if not draws:
                found += [f"import {name.name}" for name in node.names if name.name.startswith("rich")]
    return found


def says_nothing(call: ast.Call) -> bool:
    """`sys.exit` of a code; of a text it prints that."""
    is_text = any(
        isinstance(node, ast.JoinedStr | ast.Constant) and not is_number(node) for node in call.args
    )
    return ast.unparse(call.func) == "sys.exit" and not is_text


def is_number(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int)


def test_nothing_prints_but_the_floor_of_its_package() -> None:
    found = {
        name: offences(ast.parse(path.read_text(encoding="utf-8")), draws=name in DRAWS)
        for name, path in SOURCES.items()
    }
    assert {name for name, those in found.items() if those} == set(PRINTS), found


def test_the_two_terminals_are_one() -> None:
    """`exporter` and `worker` import nothing of ours, so each has the module."""
    assert SOURCES["exporter/terminal.py"].read_text() == SOURCES["worker/terminal.py"].read_text()


@pytest.mark.parametrize(
    "line",
    [
        "print(name)",
        "shown = print",
        "typer.echo(name)",
        "sys.stderr.write(name)",
        "sys.stdout.buffer.write(name)",
        "traceback.print_exc()",
        "os.write(2, name)",
        "sys.exit('error: no such file')",
        "from rich.console import Console",
        "from rich.text import Text",
        "from rich import print",
        "import rich",
    ],
)
def test_a_module_that_prints_by_itself_is_found(line: str) -> None:
    assert offences(ast.parse(line)) != []
