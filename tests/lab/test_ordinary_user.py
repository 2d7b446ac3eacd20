"""An ordinary user of this machine types the same commands: lab, deploy, one network, and all gone again."""

import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.lab.virtual_lab import VirtualLab, assert_succeeds, changed

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1800)]


@pytest.fixture
def ordinary_user() -> Iterator[str]:
    """A user without any rights, who is gone afterwards."""
    name = f"lab{uuid.uuid4().hex[:8]}"
    subprocess.run(["useradd", "--create-home", name], check=True, capture_output=True)
    try:
        yield name
    finally:
        subprocess.run(["userdel", "--remove", name], check=True, capture_output=True)


@pytest.fixture(autouse=True)
def tun() -> Iterator[None]:
    """A TUN device that everyone may open, as udev makes it; a container's may be for root alone."""
    device = Path("/dev/net/tun")
    mode = device.stat().st_mode
    device.chmod(0o666)
    yield
    device.chmod(mode)


@pytest.fixture
def lab(ordinary_user: str) -> VirtualLab:
    """A lab of that user, not up yet."""
    home = Path("/home") / ordinary_user
    packages = Path(pytest.__file__).parents[1]
    python = shutil.which(f"python3.{sys.version_info.minor}", path="/usr/local/bin:/usr/bin")
    assert python, "the ordinary user needs a Python of this version outside of root's folders"
    become = ["setpriv", "--reuid", ordinary_user, "--regid", ordinary_user, "--init-groups", "env", "-i"]
    become += [f"HOME={home}", f"USER={ordinary_user}", "LANG=C.UTF-8", "PATH=/usr/local/bin:/usr/bin:/bin"]
    environment = home / "venv"
    subprocess.run([python, "-m", "venv", "--without-pip", environment], check=True, capture_output=True)
    # Its packages are ours: what is tested is not whether pip can install them a second time.
    (site,) = environment.glob("lib/python3.*/site-packages")
    (site / "ours.pth").write_text(f"{packages}\n", encoding="utf-8")
    lab = VirtualLab(home / "edge cut", become, str(environment / "bin" / "python"))
    for path in [home, *home.rglob("*")]:
        shutil.chown(path, ordinary_user, ordinary_user)
    return lab


def test_an_ordinary_user_types_the_same_commands(ordinary_user: str, lab: VirtualLab) -> None:
    home = lab.root.parent
    try:
        assert_succeeds(lab.play("pis=2"))
        assert lab.ask("id -un", "--become") == {"pi1": "root", "pi2": "root"}
        assert psutil.Process(lab.pid("pi1")).username() == ordinary_user
        assert changed(lab.play()) == 0

        assert_succeeds(lab.play(playbook="deploy.yml"))
        # A delay beside which the milliseconds of two virtual Pis on a busy machine do not matter.
        shaped = lab.links("main", "network_name=wan")
        assert_succeeds(shaped)
        assert changed(shaped) == 2
        measured = lab.run(
            lab.folder / "enter",
            *lab.python_module("controller", "links", "--lab", ".edgecut/virtual.json", "--network", "wan"),
        )
        assert measured.returncode == 0, measured.stdout + measured.stderr
        assert changed(lab.links("clear")) == 2
        assert_succeeds(lab.play(playbook="teardown.yml"))
    finally:
        removed = lab.play("state=absent", "purge=true")
    assert_succeeds(removed)
    assert lab.processes() == []
    assert not lab.folder.parent.exists()
    assert not (home / ".cache" / "edgecut" / "virtual_pi").exists()
