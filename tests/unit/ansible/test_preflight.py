"""What preflight makes of what it finds. That it finds it is tested on a lab."""

import json
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

ROLE = Path(__file__).parents[3] / "ansible/roles/preflight"

Load = Callable[[Path, str], ModuleType]


@pytest.fixture(scope="module")
def facts(load: Load) -> ModuleType:
    return load(ROLE / "module_utils/edgecut_facts.py", "ansible.module_utils.edgecut_facts")


@pytest.fixture(scope="module")
def preflight(load: Load, facts: ModuleType) -> ModuleType:
    # Ansible puts the two together when it sends them.
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "ansible.module_utils.edgecut_facts", facts)
        return load(ROLE / "library/preflight.py", "edgecut_preflight")


@pytest.fixture(scope="module")
def of_lab(load: Load) -> ModuleType:
    return load(ROLE / "library/preflight_lab.py", "edgecut_preflight_lab")


@pytest.fixture(scope="module")
def tables(load: Load) -> ModuleType:
    return load(ROLE / "filter_plugins/preflight.py", "edgecut_preflight_tables")


# --- the system --------------------------------------------------------------------------------

DEBIAN = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\nID=debian\n'


@pytest.mark.parametrize(
    ("release", "kernel", "has_rpi_issue", "system"),
    [
        (DEBIAN, "6.1.0-31-amd64", False, "debian_12"),
        (DEBIAN, "6.6.74+rpt-rpi-v8", False, "raspberry_pi_os_12"),
        (DEBIAN, "6.1.0-31-arm64", True, "raspberry_pi_os_12"),
        ("ID=ubuntu\nVERSION_ID='24.04'\n".replace("'", '"'), "6.8.0-1004-raspi", False, "ubuntu_24.04"),
        ("ID=raspbian\nVERSION_ID=11\n", "5.15.84-v8+", True, "raspberry_pi_os_11"),
        ("ID=arch\n", "6.13", False, "arch"),
    ],
)
def test_a_system_has_the_name_of_its_file(
    facts: ModuleType, release: str, kernel: str, has_rpi_issue: bool, system: str
) -> None:
    assert facts.operating_system(release, kernel, has_rpi_issue=has_rpi_issue) == system


def test_every_system_that_the_documents_name_has_a_file() -> None:
    systems = yaml.safe_load((ROLE.parent / "provision/vars/main.yml").read_text())["provision_systems"]
    names = sorted(systems)
    assert names == [
        *(
            "debian_12",
            "debian_13",
            "raspberry_pi_os_12",
            "raspberry_pi_os_13",
            "ubuntu_22.04",
            "ubuntu_24.04",
        )
    ]


def test_a_32_bit_system_under_a_64_bit_kernel_is_told_to_be_replaced(
    facts: ModuleType, preflight: ModuleType
) -> None:
    assert facts.architecture("aarch64", 64) == facts.architecture("arm64", 64) == "aarch64"
    assert facts.architecture("x86_64", 64) == "x86_64"
    assert facts.architecture("armv6l", 32) == "armv6l"
    (problem,) = preflight.judge_architecture(facts.architecture("aarch64", 32))
    assert "armv7l" in problem.what
    assert "64-bit Raspberry Pi OS" in problem.do
    assert preflight.judge_architecture("aarch64") == []
    assert "x86_64 or aarch64" in preflight.judge_architecture("riscv64")[0].do


@pytest.mark.processes
def test_the_python_that_runs_this_is_found(facts: ModuleType) -> None:
    found = facts.find_python(for_all_users=False)
    assert found is not None
    assert Path(found[0]).is_file()
    assert found[1] in ("3.11", "3.12", "3.13")


def test_no_python_is_a_problem_where_none_can_be_installed(preflight: ModuleType) -> None:
    ubuntu = {"provision_python_package": "python3.11"}
    assert preflight.judge_python("/usr/bin/python3.11", "3.10.1", {}, can_install=False) == []
    assert preflight.judge_python(None, "3.10.1", ubuntu, can_install=True) == []
    assert "apt install python3.11" in preflight.judge_python(None, "3.10", ubuntu, can_install=False)[0].do
    (problem,) = preflight.judge_python(None, "3.9.2", {}, can_install=True)
    assert "3.9.2" in problem.what


def test_an_unknown_system_is_told_with_those_that_are_known(preflight: ModuleType) -> None:
    assert preflight.judge_system("debian_12", ["debian_12"], has_systemd=True) == []
    (problem,) = preflight.judge_system("debian_11", ["ubuntu_22.04", "debian_12"], has_systemd=True)
    assert "debian_11" in problem.what
    assert "debian_12, ubuntu_22.04" in problem.do
    assert "systemd" in preflight.judge_system("debian_12", ["debian_12"], has_systemd=False)[0].what


# --- what it has -------------------------------------------------------------------------------


def test_an_address_on_no_interface_is_told_with_those_there_are(preflight: ModuleType) -> None:
    there = {"lo": ["127.0.0.1"], "eth0": ["10.0.0.2"], "wlan0": ["10.1.0.2", "fd00::2"]}
    assert preflight.judge_address("10.1.0.2", None, there, "pi2") == []
    assert preflight.judge_address("10.1.0.2", "wlan0", there, "pi2") == []
    assert preflight.judge_address("127.0.0.1", None, there, "pi2") == []
    (problem,) = preflight.judge_address("10.0.0.9", None, there, "pi2")
    assert problem.what == (
        "address 10.0.0.9 is on no interface of pi2; its addresses: eth0 10.0.0.2, wlan0 10.1.0.2 fd00::2"
    )
    (problem,) = preflight.judge_address("10.0.0.2", "wlan0", there, "pi2")
    assert "not on data_interface wlan0" in problem.what


def test_a_name_that_only_the_controller_knows_is_told_with_both_devices(preflight: ModuleType) -> None:
    hosts = {"pi1": "127.0.0.1", "server": "box.invalid", "pi2": "localhost"}
    addresses = {"pi1": "127.0.0.1", "server": "10.0.0.3", "pi2": "10.0.0.2"}
    unknown, other = preflight.look_at_names("pi1", hosts, addresses)
    assert unknown.what == "pi1 cannot resolve box.invalid, the `host` of server"
    assert unknown.do == (
        "put `10.0.0.3 box.invalid` into /etc/hosts on pi1, or set `host` of server to 10.0.0.3"
    )
    assert other.what.startswith("pi1 resolves localhost, the `host` of pi2, to ")
    assert other.what.endswith(", and the controller to 10.0.0.2")
    assert preflight.look_at_names("server", {"pi1": "127.0.0.1"}, {"pi1": "127.0.0.1"}) == []


@pytest.mark.processes
def test_what_the_disk_holds_from_before_need_not_be_free(preflight: ModuleType, tmp_path: Path) -> None:
    free = preflight.shutil.disk_usage(tmp_path).free
    wheel = tmp_path / "venv" / "wheel"
    wheel.parent.mkdir()
    wheel.write_bytes(b"1" * 1_000_000)
    far_too_much = free + 1_000_000_000_000
    assert preflight.look_at_disk([{"path": str(tmp_path / "not" / "there"), "bytes": 1}], []) == []
    (problem,) = preflight.look_at_disk([{"path": str(tmp_path / "venv"), "bytes": far_too_much}], [])
    assert str(tmp_path / "venv") in problem.what
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preflight.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 500_000}))
        assert preflight.look_at_disk([{"path": str(wheel.parent), "bytes": 1_400_000}], []) == []
        two = [
            {"path": str(wheel.parent), "bytes": 1_400_000},
            {"path": str(tmp_path / "x"), "bytes": 200_000},
        ]
        (problem,) = preflight.look_at_disk(two, [])
    assert "0 MB free, and 1 MB are needed" in problem.what


@pytest.mark.processes
def test_the_worker_user_looks_into_the_store(preflight: ModuleType, tmp_path: Path) -> None:
    called = tmp_path / "called"
    (tmp_path / "store").mkdir()
    prefix = ["sh", "-c", f'echo "$@" >{called}; exec "$@"', "prefix"]
    assert preflight.bytes_under(str(tmp_path / "store"), prefix) > 0
    assert called.read_text().split() == ["du", "--summarize", "--bytes", str(tmp_path / "store")]
    assert preflight.bytes_under(str(tmp_path / "store"), ["setpriv", "--reuid=no-such-user"]) == 0


def test_memory_has_room_for_the_shard_and_the_runtime(preflight: ModuleType) -> None:
    assert preflight.judge_memory(1_000_000_000, 700_000_000) == []
    (problem,) = preflight.judge_memory(400_000_000, 550_000_000)
    assert "400 MB of memory are available, and 750 MB are needed" in problem.what
    assert preflight.look_at_memory(0) == []


def test_a_minute_off_is_still_a_right_clock(preflight: ModuleType) -> None:
    assert preflight.judge_clock(59) == preflight.judge_clock(-59) == []
    assert "3600 s behind" in preflight.judge_clock(-3600)[0].what
    assert "61 s ahead" in preflight.judge_clock(61.2)[0].what


def test_no_netem_is_a_problem_unless_a_package_can_be_installed(preflight: ModuleType) -> None:
    debian = {"provision_kernel_packages": {"x86_64": "linux-image-amd64"}}
    lacks = {"netem": False, "netem_package": None, "kernel": "6.1", "architecture": "x86_64"}
    assert preflight.judge_netem({**lacks, "netem": True}, debian) == []
    assert preflight.judge_netem({**lacks, "netem_package": "linux-modules-extra-raspi"}, {}) == []
    (problem,) = preflight.judge_netem(lacks, debian)
    assert "linux-image-amd64 (this package brings it)" in problem.do


def test_a_pi_that_is_throttled_now_is_told_and_one_that_was_is_not(preflight: ModuleType) -> None:
    assert preflight.judge_temperature(None, None) == preflight.judge_temperature(0x50000, 79.9) == []
    assert "voltage is too low" in preflight.judge_temperature(0x50001, 50)[0].what
    assert [problem.check for problem in preflight.judge_temperature(0x4, 85)] == [
        "throttling",
        "temperature",
    ]


def test_a_driver_older_than_our_cuda_is_told(preflight: ModuleType) -> None:
    smi = "| NVIDIA-SMI 580.65.06    Driver Version: 580.65.06    CUDA Version: 13.0     |"
    assert preflight.judge_cuda(smi, 13) == []
    assert "up to CUDA 12.4" in preflight.judge_cuda(smi.replace("13.0", "12.4"), 13)[0].what
    assert "there is no nvidia-smi" in preflight.judge_cuda("", 13)[0].what
    assert "failed because" in preflight.judge_cuda("NVIDIA-SMI has failed because it could not", 13)[0].what


# --- ports, with real sockets ------------------------------------------------------------------


def serve_once(listener: socket.socket, reply: bytes) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.sendall(reply)


@pytest.mark.parametrize("ours", [True, False])
def test_a_port_that_a_worker_has_is_fine_and_a_strangers_is_not(preflight: ModuleType, ours: bool) -> None:
    reply = b"EDGECUT\0" + bytes(8) if ours else b"SSH-2.0-OpenSSH_9.2p1\r\n"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        server = threading.Thread(target=serve_once, args=(listener, reply))
        server.start()
        problems = preflight.look_at_port("data_port", "127.0.0.1", port)
        server.join()
    if ours:
        assert problems == []
    else:
        assert f"port {port} is taken by " in problems[0].what
        assert "data_port" in problems[0].do
    assert preflight.look_at_port("data_port", "127.0.0.1", port) == []


def test_a_worker_is_known_by_what_the_wire_says(preflight: ModuleType) -> None:
    from worker.wire.stream import MAGIC

    assert preflight.MAGIC == MAGIC


# --- the inventory -----------------------------------------------------------------------------

PI: dict[str, Any] = {
    **{"host": "10.0.0.1", "control_port": 7100, "data_port": 7101},
    **{"service_manager": "systemd", "kind": "real", "shaping": "tc"},
}


def test_a_good_inventory_passes(of_lab: ModuleType) -> None:
    devices = {"pi1": PI, "gpu": {**PI, "host": "127.0.0.1"}}
    addresses, problems = of_lab.resolve(devices)
    assert addresses == {"pi1": "10.0.0.1", "gpu": "127.0.0.1"}
    assert problems == []
    assert [*of_lab.ports_allowed(devices), *of_lab.combinations_allowed(devices)] == []
    assert [*of_lab.ports_apart(devices, addresses)] == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"control_port": 80}, "control_port is '80'"),
        ({"data_port": "x"}, "data_port is 'x'"),
        ({"service_manager": "systemd_user"}, "no rights to shape"),
        ({"service_manager": "process", "shaping": "none"}, "process is for processes on this machine"),
        ({"kind": "local"}, "kind is local"),
        ({"kind": "namespace"}, "kind is namespace"),
    ],
)
def test_ports_out_of_range_and_settings_that_exclude_each_other_are_told(
    of_lab: ModuleType, change: dict[str, Any], says: str
) -> None:
    devices = {"pi1": {**PI, **change}}
    problems = [*of_lab.ports_allowed(devices), *of_lab.combinations_allowed(devices)]
    assert [problem.device for problem in problems] == ["pi1"]
    assert says in problems[0].what
    assert problems[0].do.startswith("set ")


def test_two_devices_at_one_place_are_told(of_lab: ModuleType) -> None:
    devices = {
        "pi1": PI,
        "pi2": {**PI, "host": "pi.lab"},
        "pi3": {**PI, "control_port": 7200, "data_port": 7201},
    }
    addresses = {"pi1": "10.0.0.1", "pi2": "10.0.0.1", "pi3": "10.0.0.1"}
    problems = [*of_lab.ports_apart(devices, addresses)]
    assert [problem.device for problem in problems] == ["pi2", "pi2"]
    assert problems[0].what == "control_port 7100 at 10.0.0.1 is the control_port of pi1 too"
    one = {"pi1": {**PI, "data_port": "7100"}}
    assert [problem.what for problem in of_lab.ports_apart(one, {})] == [
        "data_port 7100 at 10.0.0.1 is the control_port of pi1 too"
    ]


def test_an_address_that_only_the_device_reaches_is_told(of_lab: ModuleType) -> None:
    (problem,) = of_lab.addresses_reach({"pi1": "10.0.0.1", "gpu": "127.0.0.1"})
    assert problem.device == "gpu"
    assert "no other device reaches gpu at 127.0.0.1" in problem.what
    assert [*of_lab.addresses_reach({"pi": "127.0.0.1", "server": "127.0.0.1"})] == []


def test_a_name_without_an_address_is_told(of_lab: ModuleType) -> None:
    addresses, problems = of_lab.resolve({"pi1": {**PI, "host": "no such host"}})
    assert addresses == {}
    assert "the name no such host has no address" in problems[0].what


def test_the_largest_shard_is_a_whole_model(of_lab: ModuleType, tmp_path: Path) -> None:
    for name, size in (("small", 10), ("large", 3000)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "weights.bin").write_bytes(bytes(size))
        (tmp_path / name / "manifest.json").write_text(json.dumps({"weights_bytes": size}))
    folders = [str(tmp_path / name) for name in ("small", "large")]
    largest, together = of_lab.size_of_bundles(folders)
    assert largest == 3000
    assert together == sum(file.stat().st_size for file in tmp_path.glob("*/*"))
    (tmp_path / "small" / "manifest.json").write_text("[]")
    with pytest.raises(ValueError, match=r"small/manifest.json is not a bundle's manifest"):
        of_lab.size_of_bundles(folders)


# --- the table ---------------------------------------------------------------------------------


def test_all_that_is_wrong_is_one_table(tables: ModuleType) -> None:
    refused = (
        'Task failed: Data could not be sent to remote host "10.0.0.3". Make sure this host can be reached '
    )
    looked = {
        "pi1": {
            "problems": [
                {"check": "disk", "what": "/ has 1 MB free, and 600 MB are needed", "do": "make room"}
            ]
        },
        "pi2": {"problems": []},
        "pi3": {
            "unreachable": True,
            "msg": refused + "over ssh: pi@10.0.0.3: Permission denied (publickey).",
        },
        "pi4": {"unreachable": True, "msg": "over ssh: No key is known.\nHost key verification failed."},
        "pi5": {"msg": "Task failed: Missing sudo password"},
        "pi6": {"skipped": True},
        "pi7": {
            "problems": [
                {"check": "disk", "what": "/ has 1 MB free, and 600 MB are needed", "do": "make room"}
            ]
        },
    }
    of_inventory = [{"device": "pi6", "check": "inventory", "what": "kind is 'x'", "do": "set kind"}]
    rows = tables.findings(looked, of_inventory)
    assert [(row["device"], row["check"]) for row in rows] == [
        *(("pi6", "inventory"), ("pi1, pi7", "disk"), ("pi3", "ssh"), ("pi4", "ssh"), ("pi5", "become"))
    ]
    assert rows[2]["what"] == "pi@10.0.0.3: Permission denied (publickey)."
    lines = tables.table(rows).splitlines()
    assert lines[0].split() == ["device", "check", "what", "is", "wrong", "what", "to", "do"]
    assert lines[2].split("  ")[0] == "pi6"
    assert max(map(len, lines)) <= 120
    assert "Host key verification failed." in tables.table(rows)
