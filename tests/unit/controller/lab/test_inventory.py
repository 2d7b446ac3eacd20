"""The lab file."""

import json
from pathlib import Path
from typing import Any

import pytest

from controller.errors import LabError
from controller.lab.inventory import KeyFile, Lab, load_lab
from worker.wire.security import Method

PI: dict[str, Any] = {
    "name": "pi",
    "kind": "local",
    "host": "127.0.0.1",
    "control_port": 7100,
    "data_port": 7101,
    "shaping": "emulated",
}


def write(folder: Path, *devices: dict[str, Any]) -> Path:
    path = folder / "lab.json"
    path.write_text(json.dumps({"name": "test", "devices": list(devices)}))
    return path


def test_devices_come_in_the_order_of_the_chain(tmp_path: Path) -> None:
    lab = load_lab(write(tmp_path, PI, PI | {"name": "server"}))

    assert [device.name for device in lab.devices] == ["pi", "server"]


@pytest.mark.parametrize(
    ("devices", "says"),
    [
        ([], "names no devices"),
        ([PI, PI], "names device 'pi' twice"),
        ([PI | {"name": "controller"}], "names a device 'controller', a reserved name"),
        ([PI | {"port": 3}], "unknown field `port`"),
        ([PI | {"shaping": "wet string"}], "wet string"),
        ([PI | {"data_port": 70000}], r"<= 65535 - at .*data_port"),
    ],
)
def test_a_wrong_lab_file_is_refused(tmp_path: Path, devices: list[dict[str, Any]], says: str) -> None:
    with pytest.raises(LabError, match=says):
        load_lab(write(tmp_path, *devices))


def test_secrets_are_looked_for_beside_the_lab_file(tmp_path: Path) -> None:
    path = write(tmp_path, PI)
    path.write_text(
        json.dumps(json.loads(path.read_text()) | {"security": {"method": "key", "file": "my.key"}})
    )
    lab = load_lab(path)
    assert lab.security == KeyFile(str(tmp_path / "my.key"))
    with pytest.raises(LabError, match=r"lab test: key file .*/my\.key cannot be read"):
        lab.load_security()
    key = tmp_path / "my.key"
    key.touch(0o600)
    key.write_text("00" * 32)
    assert lab.load_security().method is Method.KEY


def test_no_lab_file_says_what_writes_it(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"run `edgecut deploy`"):
        load_lab(tmp_path / "lab.json")


def test_links_of_two_kinds_are_not_mixed_in_one_pipeline(tmp_path: Path) -> None:
    lab = load_lab(write(tmp_path, PI, PI | {"name": "server", "shaping": "tc"}))

    with pytest.raises(LabError, match="mix shaping emulated and tc"):
        lab.shaping(["pi", "server"])


def test_an_unknown_device_suggests_the_nearest(lab: Lab) -> None:
    with pytest.raises(LabError, match="no device 'sever'.*did you mean 'server'"):
        lab.device("sever")
