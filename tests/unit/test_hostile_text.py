"""Text of devices, inventories and results on the terminal: shown as it is, and never obeyed by it."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from analysis.__main__ import main as analysis
from controller.cli.app import main as controller
from controller.errors import DeviceError
from controller.lab import health
from controller.lab.inventory import Device
from controller.live.live_file import LiveFile
from controller.results import Store
from tests.results_files import edited
from tests.unit.analysis import synthetic
from worker.terminal import visible
from worker.wire.messages import DeviceInfo

HOSTILE: Mapping[str, str] = {
    "markup": "[red]a[/][/nothing][link=file:///etc/passwd]b",
    "title": "a\x1b]0;owned\x07b",
    "clear": "a\x1b[2J\x1b[Hb\x9b1m",
    "return": "a\rerror: forged\r",
    "newline": "a\nerror: forged\n",
    "bidi": "a\u202egnp.exe\u2066b",
    "nul": "a\x00b",
    "separators": "a\u2028b\x85c\x0bd",
    "long": "a" * 10_000,
}
KINDS = pytest.mark.parametrize("kind", HOSTILE)


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Run a command; its exit code, and what it printed, which acts on no terminal."""

    def run(main: Callable[[list[str]], int], *words: object) -> tuple[int, str]:
        code = main(list(map(str, words)))
        printed = capsys.readouterr()
        text = printed.out + printed.err
        assert all(line.isprintable() for line in text.split("\n")), ascii(text)
        assert not any(line.lstrip(" │").startswith("error: forged") for line in text.split("\n")), text
        return code, text

    return run


NAMES = ("demo", "mobilenet_v2", "pi", "server", "wifi", "features.0", "features.4")
"""The experiment, the model, devices, a network and modules of made-up sweeps."""


def write_hostile_sweep(path: Path, hostile: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a sweep through the real store, with hostile text in all those names."""

    def renamed(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(renamed, value))
        return f"{hostile}{value}" if value in NAMES else value

    def renaming(make: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *values, **fields: make(
            *map(renamed, values), **{key: renamed(value) for key, value in fields.items()}
        )

    class RenamingStore(Store):
        create = staticmethod(renaming(Store.create))
        add_bundle = renaming(Store.add_bundle)
        add_void = renaming(Store.add_void)

    for name in ("Cell", "DeviceRow", "Hop", "Link", "BaselineTrial", "Sentinel"):
        monkeypatch.setattr(synthetic, name, renaming(getattr(synthetic, name)))
    monkeypatch.setattr(synthetic, "Store", RenamingStore)
    physics = synthetic.Physics(networks={f"{hostile}wifi": (20.0, 0.005)})
    return synthetic.write_sweep(path, cuts=(0, 24, 60), trials=2, voids=(24,), physics=physics)


@KINDS
def test_names_in_results_are_shown_as_they_are_by_every_reader(
    kind: str, said: Callable[..., tuple[int, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile = HOSTILE[kind]
    results = write_hostile_sweep(tmp_path / "results.sqlite", hostile, monkeypatch)
    live = LiveFile(results)
    live.tell(part=hostile, doing=hostile, done=1, total=2, left_s=1.0)
    shown = visible(hostile)[:8]
    for main, *words in (
        (analysis, "best", results),
        (analysis, "report", results, "--out", tmp_path / "report", "--figures="),
        (controller, "watch", "--once", results),
    ):
        ended, text = said(main, *words)
        assert ended == 0, text[:2000]
        assert shown in text
    live.tell(ended=hostile)
    ended, text = said(controller, "watch", results)
    assert (ended, shown in text) == (0, True)
    with edited(results) as db:
        db.execute("UPDATE experiment SET least = 9")
    ended, text = said(controller, "check", results)
    assert (ended, shown in text) == (1, True)


@KINDS
def test_a_lab_and_its_devices_are_harmless(
    kind: str, said: Callable[..., tuple[int, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile = HOSTILE[kind]
    held = DeviceInfo(
        name="pi", kind=hostile, slowdown=1.0, threads=1, provider=hostile, data_port=1, holder=hostile,
        held_s=1.0, codecs=(hostile,), denied=0, stamp={hostile: hostile},
    )  # fmt: skip

    def query(device: Device, _security: object) -> DeviceInfo:
        if device.name == "lost":
            raise DeviceError(device.name, f"it says {hostile}")
        return held

    monkeypatch.setattr(health, "query", query)
    names = (hostile, "pi", "lost")
    entries = [
        {"name": name, "kind": "local", "host": "127.0.0.1", "shaping": "none", "control_port": 2 * i + 1,
         "data_port": 2 * i + 2}
        for i, name in enumerate(names)
    ]  # fmt: skip
    lab = tmp_path / "lab.json"
    lab.write_text(json.dumps({"name": hostile, "devices": entries}))
    code, text = said(controller, "status", "--lab", lab)
    assert code == 2
    assert "lost" in text or text.startswith("error: ")


@KINDS
def test_a_command_line_and_paths_are_harmless(kind: str, said: Callable[..., tuple[int, str]]) -> None:
    hostile = HOSTILE[kind].replace("\0", "")
    for main in (controller, analysis):
        assert said(main, "check", hostile)[0] == 2
        assert said(main, hostile)[0] == 2
