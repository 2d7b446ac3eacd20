"""provision_packages: what it reads of apt and dpkg, and its record. That it installs is tested on a lab."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

MODULE = Path(__file__).parents[3] / "ansible/roles/provision/library/provision_packages.py"

# What apt-get 2.6 prints.
SIMULATED = """
NOTE: This is only a simulation!
The following NEW packages will be installed:
  systemd-timesyncd
Inst libc6 [2.36-9+deb12u8] (2.36-9+deb12u9 Debian:12.9/stable [amd64])
Inst wireless-regdb (2022.06.06-1 Debian:12/stable [all])
Inst libnl-3-200:arm64 (3.7.0-0.2+b1 Debian:12/stable [arm64])
Remv chrony [4.3-2+deb12u1]
Purg ntpsec [1.2.2]
Conf wireless-regdb (2022.06.06-1 Debian:12/stable [all])
"""


@pytest.fixture(scope="module")
def packages(load: Callable[[Path, str], ModuleType]) -> ModuleType:
    return load(MODULE, "edgecut_provision_packages")


def test_what_is_new_and_what_would_go_is_read_and_upgrades_are_neither(packages: ModuleType) -> None:
    assert packages.read_plan(SIMULATED) == (["wireless-regdb", "libnl-3-200"], ["chrony", "ntpsec"])


def test_states_are_read(packages: ModuleType) -> None:
    listing = "installed kmod\nconfig-files chrony\nnot-installed \n"
    assert packages.read_states(listing) == {"kmod": "installed", "chrony": "config-files"}


def test_a_record_is_read_as_it_was_written(packages: ModuleType, tmp_path: Path) -> None:
    record = tmp_path / "packages"
    assert packages.read_record(record) == {}
    packages.write_record(record, {"kmod": "purge", "chrony": "remove"})
    assert packages.read_record(record) == {"kmod": "purge", "chrony": "remove"}
    assert [file.name for file in tmp_path.iterdir()] == ["packages"]
