"""The worker as a service of a virtual Pi: put there, lived with, and removed without a trace."""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.bundle import Bundle
from tests.lab.virtual_lab import VirtualLab, assert_fails_saying, assert_succeeds, changed

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1200)]

PLAYBOOKS = ("worker_service.yml", "bring_bundle.yml")
UNIT = "edgecut-worker.service"
AS_USER = ("service_manager=systemd_user", "shaping=emulated")
# They may hold what is not ours, so they stay.
FOLDERS_OF_A_USER = (".config", ".config/systemd", ".config/systemd/user", ".local", ".local/share")
# Every name on the disk but what a running system and Ansible itself write.
FILES = (
    "sudo find / -xdev \\( -path /proc -o -path /sys -o -path /run -o -path /tmp -o -path /var/log "
    "-o -path /var/lib/systemd/timesync -o -name .ansible -o -name __pycache__ \\) -prune -o -print | sort"
)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualLab]:
    """One virtual Pi with the user `edgecut`, whom another role makes."""
    lab = VirtualLab(tmp_path_factory.mktemp("a lab") / "edge cut")
    for name in PLAYBOOKS:
        shutil.copy(Path(__file__).with_name(name), lab.root / "ansible")
    with lab.up("pis=1"):
        on_pi(lab, "sudo useradd --system --home-dir /nonexistent --shell /usr/sbin/nologin edgecut")
        yield lab


@pytest.fixture(scope="module")
def untouched(lab: VirtualLab) -> str:
    """The names of all files before the first deployment."""
    return on_pi(lab, FILES)


@pytest.fixture(scope="module")
def service(lab: VirtualLab, untouched: str) -> VirtualLab:
    """The lab with the worker's service on it."""
    assert untouched
    assert_succeeds(deploy(lab))
    return lab


def deploy(
    lab: VirtualLab, *settings: str, options: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    return lab.play(*settings, playbook="worker_service.yml", options=options)


def on_pi(lab: VirtualLab, command: str) -> str:
    done = lab.ssh("pi1", command)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def shown(lab: VirtualLab, name: str) -> str:
    return on_pi(lab, f"systemctl show --property {name} --value {UNIT}")


def stamp(lab: VirtualLab) -> dict[str, object]:
    python = "/opt/edgecut/venv/bin/python -I"
    ask = f"sudo {python} -m worker ask --host 10.83.0.11 --key-file /etc/edgecut/lab.key"
    told: dict[str, object] = json.loads(on_pi(lab, ask))["stamp"]
    return told


def test_the_service_is_up_enabled_and_sandboxed(service: VirtualLab) -> None:
    assert shown(service, "ActiveState") == "active"
    assert shown(service, "UnitFileState") == "enabled"
    told = on_pi(service, f"systemd-analyze security --no-pager {UNIT} | tail -1")
    exposure = float(told.split(":", 1)[1].split()[0])
    assert exposure <= 3.0
    main = shown(service, "MainPID")
    assert on_pi(service, f"ps -o user= -p {main}") == "edgecut"
    journal = on_pi(service, f"sudo journalctl --unit {UNIT} --output cat")
    assert "serves on 10.83.0.11" in journal


def test_the_key_is_for_root_and_the_worker_alone(service: VirtualLab) -> None:
    told = on_pi(service, "sudo sh -c 'stat -c \"%n %U %G %a\" /etc/edgecut /etc/edgecut/*'")
    assert told.splitlines() == ["/etc/edgecut root edgecut 750", "/etc/edgecut/lab.key root edgecut 640"]
    key = (service.root / ".edgecut" / "virtual.key").read_text().strip()
    assert on_pi(service, "sudo cat /etc/edgecut/lab.key") == key
    assert on_pi(service, "cat /etc/edgecut/lab.key 2>&1 || echo refused").endswith("refused")
    assert key not in on_pi(service, f"ps axww; sudo journalctl --boot; cat /etc/systemd/system/{UNIT}")
    denied = on_pi(service, "/opt/edgecut/venv/bin/python -I -m worker ask --host 10.83.0.11 2>&1 || :")
    assert "uses the lab's key, but this end uses no authentication: " in denied
    listens = on_pi(service, "ss -Hltn 'sport >= 7100 and sport <= 7101'")
    assert listens.count("10.83.0.11:") == 2 and "0.0.0.0:71" not in listens


def test_it_computes_in_its_sandbox(service: VirtualLab) -> None:
    device = {"name": "pi1", "kind": "virtual", "host": "10.83.0.11", "control_port": 7100, "data_port": 7101}
    lab_file = service.root / "lab.json"
    proof = {"method": "key", "file": ".edgecut/virtual.key"}
    told = {"name": "virtual", "security": proof, "devices": [device | {"shaping": "tc"}]}
    lab_file.write_text(json.dumps(told))
    status: list[str | Path] = ["-m", "controller", "status", "--lab", lab_file, "--infer"]
    shown = service.run(service.folder / "enter", sys.executable, *status)
    assert "inference correct" in shown.stdout, shown.stdout + shown.stderr
    assert stamp(service)["qdisc"]


def test_a_second_run_and_a_check_change_nothing(service: VirtualLab) -> None:
    main = shown(service, "MainPID")
    for options in ((), ("--check", "--diff")):
        again = deploy(service, options=options)
        assert_succeeds(again)
        assert changed(again) == 0, again.stdout
    assert shown(service, "MainPID") == main


def test_a_killed_worker_comes_back(service: VirtualLab) -> None:
    main = shown(service, "MainPID")
    on_pi(service, f"sudo kill -9 {main}")
    deadline = time.monotonic() + 60
    while shown(service, "ActiveState") != "active" or shown(service, "MainPID") == main:
        assert time.monotonic() < deadline
        time.sleep(1)


def test_another_key_or_certificates_restart_it(service: VirtualLab) -> None:
    main = shown(service, "MainPID")
    for settings in (("new_key=true",), ("security=tls",), ("security=key",)):
        done = deploy(service, *settings)
        assert_succeeds(done)
        assert "changed" in done.stdout
        assert shown(service, "MainPID") != main
        main = shown(service, "MainPID")
        if settings == ("security=tls",):
            again = deploy(service, *settings)
            assert_succeeds(again)
            assert changed(again) == 0
            names = on_pi(service, "sudo ls /etc/edgecut").split()
            assert names == ["ca.pem", "device.pem"]


def test_a_setting_that_changed_restarts_it_and_code_that_changed_reinstalls_it(service: VirtualLab) -> None:
    before = stamp(service)
    with (service.root / "worker" / "clock.py").open("a") as source:
        source.write("# changed\n")
    done = deploy(service, "slowdown=2")
    assert_succeeds(done)
    assert "Make an empty environment" not in done.stdout
    after = stamp(service)
    assert after["slowdown"] == 2 != before["slowdown"]
    assert after["worker_digest"] != before["worker_digest"]


def test_a_worker_that_cannot_start_says_why_in_one_line(service: VirtualLab) -> None:
    assert_fails_saying(deploy(service, "data_port=22"), "pi1: ", "--data-port")
    assert_fails_saying(deploy(service, "memory_limit=20M"), "pi1: ", "oom-kill")
    assert "killed by the OOM killer" in on_pi(service, f"sudo journalctl --unit {UNIT} --output cat")


def test_an_architecture_without_wheels_is_named_and_nothing_is_changed(service: VirtualLab) -> None:
    refused = deploy(service, "architecture=armv7l")
    assert_fails_saying(refused, "pi1", "no wheels for architecture armv7l")
    assert changed(refused) == 0


def test_an_environment_that_was_cut_is_made_anew(service: VirtualLab) -> None:
    venv = "/opt/edgecut/venv"
    on_pi(service, f"sudo rm -r {venv}/edgecut.json {venv}/lib/python3.11/site-packages/numpy")
    assert_succeeds(deploy(service))
    assert shown(service, "ActiveState") == "active"
    assert on_pi(service, "ls /opt/edgecut") == "venv"


def test_a_bundle_comes_whole_and_a_damaged_file_is_named_and_sent_again(
    service: VirtualLab, tiny: Bundle
) -> None:
    def bring(*options: str) -> subprocess.CompletedProcess[str]:
        given = (f"bundle_path='{tiny.path}'", f"bundle_digest={tiny.digest}", "prune_bundles=true")
        return service.play(*given, playbook="bring_bundle.yml", options=options)

    folder = f"/var/lib/edgecut/store/bundles/{tiny.digest}"
    assert_succeeds(bring())
    assert changed(bring()) == 0
    stray = "/var/lib/edgecut/store/bundles/stray"
    on_pi(service, f"sudo mkdir {stray}; printf x | sudo dd of={folder}/weights.bin bs=1 conv=notrunc 2>&1")
    mended = bring()
    assert_succeeds(mended)
    assert "weights.bin in" in mended.stdout and "not as it was sent" in mended.stdout
    assert "item=weights.bin" in mended.stdout and "item=shards.zip" not in mended.stdout
    assert on_pi(service, f"sudo -u edgecut ls {folder}").split() == sorted(
        ["manifest.json", "samples.npz", "shards.zip", "weights.bin"]
    )
    assert on_pi(service, f"test -e {stray} || echo gone") == "gone"
    assert changed(bring("--check", "--diff")) == 0


@pytest.fixture
def index(service: VirtualLab, tmp_path: Path) -> Iterator[None]:
    """A package index in the lab's network, of the wheels that the controller has, and a Pi that uses it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgecut" / "wheels"
    with tarfile.open(
        max(cache.glob("x86_64-python3.11-cpu-*.tar"), key=lambda path: path.stat().st_mtime)
    ) as tar:
        tar.extractall(tmp_path / "wheels", filter="data")
    for wheel in (tmp_path / "wheels").rglob("*.whl"):
        project = tmp_path / "simple" / re.sub(r"[-_.]+", "-", wheel.name.split("-")[0]).lower()
        project.mkdir(parents=True, exist_ok=True)
        wheel.rename(project / wheel.name)
    serve: list[str | Path] = [
        sys.executable,
        "-m",
        "http.server",
        "--bind",
        "10.83.0.1",
        "--directory",
        tmp_path / "simple",
        "8000",
    ]
    settings = "[global]\nindex-url = http://10.83.0.1:8000\ntrusted-host = 10.83.0.1\n"
    on_pi(service, f"printf '{settings}' | sudo tee /etc/pip.conf")
    with subprocess.Popen([service.folder / "enter", *serve], stderr=subprocess.DEVNULL) as server:
        try:
            yield
        finally:
            server.terminate()
            on_pi(service, "sudo rm /etc/pip.conf")


def test_online_the_device_fetches_from_its_own_index(service: VirtualLab, index: None) -> None:
    online = deploy(service, "wheels_online=true")
    assert_succeeds(online)
    assert "Send the wheels" not in online.stdout
    assert shown(service, "ActiveState") == "active"
    assert "onnxruntime==" in on_pi(service, "/opt/edgecut/venv/bin/python -I -m pip freeze")
    assert changed(deploy(service, "wheels_online=true")) == 0


def test_the_store_is_all_that_its_user_may_change(service: VirtualLab) -> None:
    command = (
        "sudo find / -xdev -writable \\( -path /proc -o -path /sys -o -path /run -o -path /tmp -o -path /dev "
        "-o -path /var/tmp \\) -prune -o ! -type l -writable -print"
    ).replace("sudo", "sudo setpriv --reuid=edgecut --regid=edgecut --init-groups", 1)
    store = "/var/lib/edgecut/store"
    writable = on_pi(service, f"cd / && {command} 2>/dev/null || :").splitlines()
    assert store in writable
    assert [path for path in writable if not path.startswith((store, "/var/lock"))] == []
    assert on_pi(service, f"stat -c '%U %a' {store} /var/lib/edgecut").split() == [
        "edgecut",
        "700",
        "root",
        "755",
    ]


def test_what_is_removed_leaves_nothing(service: VirtualLab, untouched: str) -> None:
    in_store = (
        "sudo setpriv --reuid=edgecut --regid=edgecut --clear-groups env --chdir=/var/lib/edgecut/store"
    )
    on_pi(service, "sudo sh -c 'mkdir /srv/foreign; echo whole >/srv/foreign/file'")
    on_pi(
        service, f"{in_store} ln -s /srv/foreign bundles/link; {in_store} ln -s /srv/foreign/file shards/link"
    )
    assert_succeeds(deploy(service, "state=absent"))
    assert on_pi(service, "cat /srv/foreign/file; stat -c %U /srv/foreign").split() == ["whole", "root"]
    on_pi(service, "sudo rm -r /srv/foreign")
    assert set(on_pi(service, FILES).splitlines()) == set(untouched.splitlines())
    assert on_pi(service, f"systemctl list-units --all --no-legend {UNIT}") == ""
    assert changed(deploy(service, "state=absent")) == 0


def test_without_root_it_is_a_service_of_the_user(lab: VirtualLab, untouched: str) -> None:
    assert_fails_saying(deploy(lab, *AS_USER), "pi1: ", "sudo loginctl enable-linger pi")
    on_pi(lab, "sudo loginctl enable-linger pi")
    assert_succeeds(deploy(lab, *AS_USER))
    assert on_pi(lab, f"systemctl --user is-active {UNIT}; systemctl --user is-enabled {UNIT}").split() == [
        "active",
        "enabled",
    ]
    again = deploy(lab, *AS_USER)
    assert_succeeds(again)
    assert changed(again) == 0

    assert_succeeds(deploy(lab, *AS_USER, "state=absent"))
    assert on_pi(lab, "ls /var/lib/systemd/linger") == "pi"
    on_pi(lab, "sudo loginctl disable-linger pi")
    left = set(on_pi(lab, FILES).splitlines()) - set(untouched.splitlines())
    assert left <= {f"/home/pi/{path}" for path in FOLDERS_OF_A_USER}
