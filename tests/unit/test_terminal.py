"""The terminal: what acts on it is escaped, and a stream that cannot be written is given up."""

import os
import sys
from io import StringIO
from pathlib import Path

import pytest

from tests.screens import LOST, SCREENS, replaced
from worker.terminal import GivingUp, has_lost_output, one_line, run, say, show, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, 慢 and é", "plain, 慢 and é"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("a\rb\nc\td", r"a\rb\nc\td"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\0 \x9b31m \udcff \u2028", r"\x00 \x9b31m \udcff \u2028"),
    ],
)
def test_what_acts_on_a_terminal_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_one_line_joins_lines() -> None:
    assert one_line("a\n\n  b\x1b") == r"a b\x1b"


def test_a_printed_line_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    show("first", "second\nerror: forged")
    say("third\x1b[2J")
    said = capsys.readouterr()
    assert said.out == "first\nsecond\\nerror: forged\n"
    assert said.err == "third\\x1b[2J\n"


@pytest.mark.parametrize("kind", SCREENS)
def test_a_lost_output_is_an_exit_code_and_no_error(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    done: list[bool] = []

    def command() -> int:
        for _ in range(3):
            show("réseau 慢", "x" * 100_000)
        done.append(has_lost_output())
        return 0

    with replaced("stdout", kind):
        assert run(command) == LOST[kind]
    assert done == [kind != "ascii"]
    said = capsys.readouterr().err
    assert said.startswith("error: standard output cannot be written (") == (LOST[kind] == 2)
    assert said.count("\n") == (LOST[kind] == 2)


@pytest.mark.parametrize("kind", SCREENS)
def test_a_lost_screen_changes_nothing(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> int:
        for _ in range(3):
            say("réseau 慢")
        show("shown")
        return 0

    with replaced("stderr", kind):
        assert run(command) == 0
    assert capsys.readouterr().out == "shown\n"


def test_the_commands_own_exit_code_says_more_than_a_lost_output() -> None:
    def command() -> int:
        show("a problem")
        return 1

    with replaced("stdout", "full"):
        assert run(command) == 1


def test_a_command_that_prints_nothing_needs_no_output() -> None:
    with replaced("stdout", "closed"):
        assert run(lambda: 0) == 0


def test_an_ascii_output_shows_other_characters_as_escapes(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w", encoding="ascii") as file:
        GivingUp(file).write("é慢")
    assert (tmp_path / "out").read_text() == r"\xe9\u6162"


def test_what_was_not_written_is_not_tried_again() -> None:
    """Python tries at exit, and says `Exception ignored`."""
    with open("/dev/full", "w", encoding="utf-8") as file:  # noqa: PTH123
        screen = GivingUp(file)
        screen.write("x")
        screen.flush()
        assert isinstance(screen.lost, OSError)
        file.flush()


def test_nothing_else_gets_the_number_of_a_closed_stream() -> None:
    """A library that writes to descriptor 2 must not write into a device's connection."""
    saved = os.dup(0)
    try:
        os.close(0)
        run(lambda: 0)
        assert os.fstat(0).st_rdev == os.stat(os.devnull).st_rdev  # noqa: PTH116
    finally:
        os.dup2(saved, 0)
        os.close(saved)


def test_the_streams_of_before_come_back() -> None:
    before = sys.stdout, sys.stderr
    with pytest.raises(KeyboardInterrupt):
        run(_interrupted)
    assert (sys.stdout, sys.stderr) == before


def _interrupted() -> int:
    raise KeyboardInterrupt


def test_any_stream_will_do() -> None:
    text = StringIO()
    GivingUp(text).write("x")
    assert text.getvalue() == "x"
