"""YAML that does not mean what it shows is refused by line, with what to write instead."""

from pathlib import Path

import pytest

from controller.cli.app import main
from controller.errors import ExperimentError
from controller.experiment.plain_yaml import dump_plain
from controller.experiment.yaml_file import parse_yaml


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "020",
            "020 means 16 in YAML; write the number in decimal digits alone, or '020' in quotes for text",
        ),
        ("08", "08 is text in YAML, not a number; write the number in decimal digits alone, or '08' in qu"),
        ("1:30", "1:30 means 90 in YAML; write the number"),
        ("1:30.5", "1:30.5 means 90.5 in YAML; write the number in decimal digits and a point alone"),
        ("1_000", "1_000 means 1000 in YAML"),
        ("0x1f", "0x1f means 31 in YAML"),
        ("0b11", "0b11 means 3 in YAML"),
        ("0o17", "0o17 is text in YAML, not a number"),
        ("1e3", "1e3 is text in YAML, not a number"),
        ("-.5e3", "-.5e3 is text in YAML, not a number"),
        ("!!int '020'", "020 means 16 in YAML"),
        ("on", "on means true in YAML; write true or false, or 'on' in quotes for text"),
        ("No", "No means false in YAML"),
        ("2026-01-31", "2026-01-31 is a date in YAML; write '2026-01-31' in quotes for text"),
        ("{1: 2, 1: 3}", "key '1' twice, first in line 2"),
        ("{1: 2, '1': 3}", "key '1' twice, first in line 2"),
        ("{1: 2, 1.0: 3}", "keys '1' and '1.0' are equal"),
        ("{1: 2, true: 3}", "keys '1' and 'true' are equal"),
        ("{[1]: 2}", "a key must not be a list or a mapping"),
        ("{<<: {a: 1}}", "<< takes over the keys of another mapping; write them out here"),
        ("[{b: [1,000]}]", "000 means 0 in YAML"),
    ],
)
def test_what_is_misleading_is_refused_by_line(text: str, says: str) -> None:
    with pytest.raises(ExperimentError) as caught:
        parse_yaml(f"first: 1\nkey: {text}\n", "experiment e.yml")
    assert str(caught.value).startswith(f"experiment e.yml, line 2: {says}")
    assert "\n" not in str(caught.value)


def test_what_is_plain_is_taken_as_it_stands() -> None:
    text = "[0, 20, -1, +3, 0.5, .5, 3., 1.0e+3, true, False, null, wifi, 1.2.3, 10.0.0.1, y]"
    taken = [0, 20, -1, 3, 0.5, 0.5, 3.0, 1000.0, True, False, None, "wifi", "1.2.3", "10.0.0.1", "y"]
    assert parse_yaml(text, "x") == taken
    assert parse_yaml("""['020', "on", '1e3', !!str 020]""", "x") == ["020", "on", "1e3", "020"]


def test_what_is_written_can_be_read() -> None:
    data = {
        "texts": ["020", "08", "1e3", ".5e3", "on", "1:30", "<<", "2026-01-31", "a b"],
        "numbers": [1, 1e20],
    }
    assert parse_yaml(dump_plain(data), "x") == data


def test_a_sweep_of_a_misleading_experiment_ends_with_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment, lab = tmp_path / "e.yml", tmp_path / "lab.json"
    experiment.write_text("name: y\nmodels: [m]\nnetworks: [ideal]\nrequests: 020\n")
    device = {"name": "pi", "kind": "local", "host": "127.0.0.1", "control_port": 1, "data_port": 2}
    lab.write_text(f'{{"name": "l", "devices": [{device | {"shaping": "none"}}]}}'.replace("'", '"'))
    assert main(["sweep", str(experiment), "--lab", str(lab), "--dry-run"]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"error: experiment {experiment}, line 4: 020 means 16 in YAML; write")
    assert err.count("\n") == 1
