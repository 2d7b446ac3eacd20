"""edgecut_link: the tc lines it makes, its lease, what it refuses. The kernel's part is tested on a lab."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.processes

PACKAGE = Path(__file__).parents[3] / "ansible/roles/network/files/edgecut_link"


def run(*arguments: str, state: Path = Path("/nonexistent")) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-B", "-m", PACKAGE.name, "--state-folder", str(state), *arguments]
    return subprocess.run(
        command, cwd=PACKAGE.parent, capture_output=True, text=True, timeout=60, check=False
    )


def lines(*conditions: str) -> list[str]:
    done = run("apply", "--interface", "eth0", "--data-port", "7101", "--print", *conditions)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test import the package, which lives with its Ansible role."""
    monkeypatch.setattr(sys, "path", [str(PACKAGE.parent), *sys.path])


def test_a_profile_is_one_band_with_netem_and_filters_for_both_ends_and_both_protocols() -> None:
    root, netem, *filters = lines("--delay-ms", "5", "--rate-mbit", "20", "--loss-percent", "0.5")
    assert (
        root == "tc qdisc add dev eth0 root handle ec: prio bands 4 priomap 1 2 2 2 1 2 0 0 1 1 1 1 1 1 1 1"
    )
    assert netem == (
        "tc qdisc add dev eth0 parent ec:4 handle ec4: netem limit 638 delay 5ms loss 0.5% rate 20000kbit"
    )
    for ip, protocol in (("ip", "ip"), ("ip6", "ipv6")):
        for number in (6, 17):
            for end in ("dport", "sport"):
                match = f"u32 match {ip} protocol {number} 0xff match {ip} {end} 7101 0xffff flowid ec:4"
                assert any(f"protocol {protocol} pref" in one and one.endswith(match) for one in filters)
    assert len(filters) == 8
    assert len({one.split("pref ")[1].split()[0] for one in filters}) == 2


def test_nothing_but_data_ports_is_ever_filtered() -> None:
    for one in lines("--delay-ms", "2000", "--rate-mbit", "0.1", "--data-port", "7103"):
        assert "filter" not in one or "port 7101 0xffff" in one or "port 7103 0xffff" in one


def test_conditions_hold_for_the_addresses_before_them_and_the_first_for_everybody_else() -> None:
    said = lines(
        *("--delay-ms", "5", "--to", "10.0.0.3", "--to", "10.0.0.4", "--delay-ms", "60"),
        *("--to", "10.0.0.5", "--to", "fd00::1", "--rate-mbit", "2"),
    )
    assert "bands 6 " in said[0]
    netems = [one for one in said if " netem " in one]
    assert [one.split("handle ")[1].split(" limit")[0] for one in netems] == [
        "ec4: netem",
        "ec5: netem",
        "ec6: netem",
    ]
    assert ["delay 60ms" in netems[0], "rate 2000kbit" in netems[1], "delay 5ms" in netems[2]] == [True] * 3
    to = {one.split("dst ")[1].split()[0]: one.rsplit(" ", 1)[1] for one in said if " dst " in one}
    assert to == {"10.0.0.3/32": "ec:4", "10.0.0.4/32": "ec:4", "10.0.0.5/32": "ec:5", "fd00::1/128": "ec:5"}
    # The kernel takes the filter with the lowest preference that matches: everybody else comes last.
    preference = {
        one.rsplit(" ", 1)[1]: int(one.split("pref ")[1].split()[0]) for one in said if "pref" in one
    }
    assert preference["ec:4"] < preference["ec:5"] < preference["ec:6"]


def test_an_address_without_conditions_is_not_limited() -> None:
    said = lines("--delay-ms", "5", "--to", "10.0.0.3")
    assert sum(" netem " in one for one in said) == 1
    assert any("dst 10.0.0.3/32 flowid ec:4" in one for one in said)
    assert not any("parent ec:4 " in one for one in said)


def test_jitter_does_not_let_packets_overtake() -> None:
    (netem,) = [one for one in lines("--delay-ms", "20", "--jitter-ms", "4") if " netem " in one]
    assert "delay 20ms 4ms" in netem and netem.endswith("rate 100000000kbit")


def test_without_prio_and_netem_a_rate_is_a_tbf_in_a_class_of_htb() -> None:
    root, others, shaped, tbf, *filters = lines("--rate-mbit", "20", "--by-htb")
    assert root == "tc qdisc add dev eth0 root handle ec: htb default 1"
    # What is not shaped has a class that limits nothing.
    for line, handle in ((others, "ec:1"), (shaped, "ec:4")):
        assert line.startswith(f"tc class add dev eth0 parent ec: classid {handle} htb rate 100gbit ")
    assert tbf == "tc qdisc add dev eth0 parent ec:4 handle ec4: tbf rate 20000kbit burst 3028 limit 937500"
    assert len(filters) == 8 and all(one.endswith("flowid ec:4") for one in filters)


def test_without_prio_a_delay_still_takes_netem() -> None:
    said = lines("--by-htb", "--rate-mbit", "20", "--to", "10.0.0.3", "--delay-ms", "5", "--rate-mbit", "20")
    assert [one.split()[9] for one in said if "qdisc add" in one and "parent" in one] == ["netem", "tbf"]


def test_where_nothing_is_limited_nothing_is_made() -> None:
    assert lines() == []
    assert lines("--delay-ms", "0", "--loss-percent", "0") == []


@pytest.mark.parametrize(
    ("conditions", "packets"),
    [
        ((5, 0, 20.0), 638),  # 1.5 x (5 + 250 ms) at 20 Mbit/s
        ((300, 0, 10.0), 688),
        ((2000, 0, 0.1), 128),
        ((60, 0, None), 75_000),  # 1.5 x 60 ms at 10 Gbit/s
        ((0, 0, None), 128),
    ],
)
def test_the_limit_is_more_than_what_is_under_way(
    importable: None, conditions: tuple[float, float, float | None], packets: int
) -> None:
    from edgecut_link.tc_lines import limit_packets

    assert limit_packets(*conditions) == packets


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--delay-ms", "5ms"], "--delay-ms: '5ms' is not a number at least 0 (without a unit)"),
        (["--delay-ms", "-1"], "--delay-ms: '-1' is not a number at least 0"),
        (["--delay-ms", "inf"], "'inf' is not a number"),
        (["--rate-mbit", "0"], "--rate-mbit: '0' is not a number above 0"),
        (["--loss-percent", "100"], "'100' is not a number at least 0 and below 100"),
        (["--to", "pi.local"], "'pi.local' is not an IP address"),
        (["--data-port", "70000"], "'70000' is not a port"),
        (["--delay-ms", "1", "--delay-ms", "2"], "--delay-ms is repeated for the same addresses"),
        ([], "this host has no interface nope7; it has: "),
        (["--interface", ""], "name the interface to shape with --interface, or by its --address"),
        (["--interface", "", "--address", "pi.local"], "'pi.local' is not an IP address"),
        (
            ["--interface", "", "--address", "192.0.2.7"],
            "address 192.0.2.7 is on no interface of this host",
        ),
        (
            ["--interface", "", "--address", "127.0.0.1"],
            "127.0.0.1 is the loopback's; its addresses: ",
        ),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], says: str, tmp_path: Path) -> None:
    done = run("apply", "--interface", "nope7", "--data-port", "7101", *arguments, state=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and says in done.stderr
    assert done.stderr.count("\n") == 1


def test_more_conditions_than_bands_are_refused() -> None:
    many = [word for i in range(14) for word in ("--to", f"10.0.0.{i}", "--delay-ms", "1")]
    done = run("apply", "--interface", "eth0", "--data-port", "7101", "--print", *many)
    assert done.returncode == 2 and "at most 13 fit" in done.stderr


class Lease:
    """A lease whose uptime and beats the test makes."""

    def __init__(self, folder: Path, lease_s: float = 60.0) -> None:
        from edgecut_link.lease import has_ended

        self._has_ended = has_ended
        self._file = folder / "beat"
        self._beats = 0
        self.state: dict[str, object] = {"heartbeat": str(self._file), "beat": None, "lease_s": lease_s}
        self.state |= {"beat_at_s": 1000.0, "looked_at_s": 1000.0}

    def beat(self) -> None:
        # A clock that runs backwards: only that it changed counts.
        self._beats += 1
        self._file.touch()
        os.utime(self._file, (1e9 - self._beats, 1e9 - self._beats))

    def ended_at(self, uptime_s: float) -> bool:
        self.state = json.loads(json.dumps(self.state))
        return bool(self._has_ended(self.state, uptime_s))


def test_a_link_stays_while_the_worker_beats(importable: None, tmp_path: Path) -> None:
    lease = Lease(tmp_path)
    for tick in range(1, 100):
        lease.beat()
        assert not lease.ended_at(1000.0 + 10 * tick)


@pytest.mark.parametrize("tick_s", [3.0, 7.0, 10.0, 19.0])
def test_a_link_never_outlives_its_lease(importable: None, tmp_path: Path, tick_s: float) -> None:
    lease = Lease(tmp_path)
    last_beat_s = 1000.1 + 2 * tick_s
    for tick in range(1, 100):
        at_s = 1000.0 + tick * tick_s
        if at_s - tick_s < last_beat_s:
            lease.beat()
        if lease.ended_at(at_s):
            break
    assert at_s > last_beat_s
    assert last_beat_s + 60 - 3 * tick_s <= at_s <= last_beat_s + 60


def test_a_heartbeat_that_is_a_link_tells_nothing_of_its_target(importable: None, tmp_path: Path) -> None:
    from edgecut_link.lease import beat_of

    (tmp_path / "elsewhere").touch()
    os.utime(tmp_path / "elsewhere", (1, 1))
    (tmp_path / "heartbeat").symlink_to(tmp_path / "elsewhere")
    assert beat_of(str(tmp_path / "heartbeat")) == (tmp_path / "heartbeat").lstat().st_mtime_ns != 10**9


def test_a_heartbeat_that_never_was_or_is_gone_keeps_no_link(importable: None, tmp_path: Path) -> None:
    lease = Lease(tmp_path)
    assert not lease.ended_at(1010.0)
    assert lease.ended_at(1050.0) or lease.ended_at(1060.0)


def test_packed_it_is_one_file_that_runs_by_itself_and_is_the_same_each_time(
    load: Callable[[Path, str], ModuleType], tmp_path: Path
) -> None:
    pack = load(PACKAGE.parents[1] / "library/pack_program.py", "edgecut_pack_program").pack
    program = tmp_path / "edgecut-link.pyz"
    program.write_bytes(pack(PACKAGE))
    copied = tmp_path / PACKAGE.name
    shutil.copytree(PACKAGE, copied, copy_function=shutil.copyfile)
    assert pack(copied) == program.read_bytes()
    words = ["apply", "--interface", "eth0", "--data-port", "7101", "--print", "--delay-ms", "5"]
    done = subprocess.run([sys.executable, "-I", program, *words], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == lines("--delay-ms", "5")
