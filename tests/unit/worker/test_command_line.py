"""Bad input on the command line."""

from pathlib import Path

import pytest

from worker.__main__ import main


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "required: COMMAND"),
        (["serv"], "invalid choice: 'serv'"),
        (["serve", "--name", "x"], "required: --store"),
        (["serve", "--name", "x", "--store", "s", "--slowdown", "0.5"], "0.5 is not a slowdown (1 to 1e+06)"),
        (["serve", "--name", "x", "--store", "s", "--control-port", "70000"], "70000 is not a port"),
        (["serve", "--name", "x", "--store", "s", "--threads", "none"], "none is not a number of threads"),
        (["serve", "--name", "x", "--store", "s", "--telemetry-interval", "0"], "0 is not an interval"),
        (["serve", "--name", "x", "--store", "s", "--cpu", "4000"], "--cpu 4000"),
        (["serve", "--name", "x", "--store", "/proc/no/store"], "store /proc/no/store cannot be written"),
        (["serve", "--name", "x", "--store", "s", "--host", "203.0.113.7"], "203.0.113.7"),
        (["stop", "--pid-file", "/etc/hostname"], "/etc/hostname is not a pid file"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    arguments: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    output = capsys.readouterr()
    assert output.err.startswith("error: ")
    assert told in output.err
    assert output.err.count("\n") == 1
    assert output.out == ""
