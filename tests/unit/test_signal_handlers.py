"""Signal handlers only set flags: one runs within any line of the main thread, even within a request.

What it raises or prints there becomes that line's error: a closed terminal was once a lost device.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLACES = ("exporter", "worker", "controller", "analysis", "benchmarks", "ansible", "inventory", "scripts")
SOURCES = [path for place in PLACES for path in sorted((ROOT / place).rglob("*.py"))]

OF_PYTHON = {"signal.default_int_handler", "signal.SIG_IGN", "signal.SIG_DFL"}
# A simple queue is reentrant; an event and a lock are not.
ALLOWED_CALLS = {"put", "signal.signal"}
ALLOWED = (
    *(ast.Assign, ast.Expr, ast.For, ast.Call, ast.Attribute, ast.Name, ast.Constant),
    *(ast.expr_context, ast.arguments, ast.arg),
)


def handlers(tree: ast.AST) -> Iterator[ast.expr]:
    """The handlers that a module installs."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(
            ("signal.signal", "add_signal_handler")
        ):
            yield node.args[1]


def body_of(handler: ast.expr, tree: ast.AST) -> list[ast.AST] | None:
    """What a handler does; None where it was installed before, and is put back."""
    if isinstance(handler, ast.Lambda):
        return [handler.body]
    name = ast.unparse(handler).removeprefix("self.")
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return [part for part in node.body if not is_docstring(part)]
        if isinstance(node, ast.ImportFrom) and any((a.asname or a.name) == name for a in node.names):
            raise AssertionError(f"{name} comes from another module, where nothing checks it")
    return None


def is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def offences(tree: ast.AST) -> list[str]:
    """What signal handlers do beside setting flags."""
    found = []
    for handler in handlers(tree):
        if ast.unparse(handler) in OF_PYTHON:
            continue
        for node in [inner for part in body_of(handler, tree) or () for inner in ast.walk(part)]:
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else "signal.signal"
            if not isinstance(node, ALLOWED) or not {called, called.rpartition(".")[2]} & ALLOWED_CALLS:
                found.append(ast.unparse(node))
    return found


def test_some_modules_handle_signals() -> None:
    handling = {path.relative_to(ROOT).parts[0] for path in SOURCES if list(handlers(parsed(path)))}
    assert handling >= {"ansible", "benchmarks", "controller", "worker"}


def test_a_signal_handler_only_sets_a_flag() -> None:
    found = {str(path.relative_to(ROOT)): offences(parsed(path)) for path in SOURCES}
    assert {name: those for name, those in found.items() if those} == {}


def parsed(path: Path) -> ast.AST:
    return ast.parse(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "body",
    [
        "print('stopping')",
        "self._announce('stopping')",
        "self.screen.say('stopping')",
        "self._ended.set()",
        "os.kill(self.child, number)",
        "if self.requested:\n  raise KeyboardInterrupt",
        "raise KeyboardInterrupt",
        "self.lock.acquire()",
        "with self.lock:\n  self.requested = True",
    ],
)
def test_a_handler_that_does_more_is_found(body: str) -> None:
    lines = "\n".join(f"  {line}" for line in body.splitlines())
    module = f"signal.signal(signal.SIGINT, self._on_signal)\ndef _on_signal(number, frame):\n{lines}\n"
    assert offences(ast.parse(module)) != []


def test_a_handler_that_sets_a_flag_and_wakes_a_thread_is_none() -> None:
    body = "self.requested = True\n  signal.signal(number, signal.SIG_DFL)\n  self._wakes.put(number)"
    module = f"signal.signal(signal.SIGINT, self._on_signal)\ndef _on_signal(number, frame):\n  {body}\n"
    assert offences(ast.parse(module)) == []
