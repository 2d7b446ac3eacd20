"""What can be told about virtual Pis without booting one: what a machine lacks, whose process is whose."""

import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FILES = Path(__file__).parents[3] / "ansible" / "roles" / "virtual_pi" / "files"

CONTROL = "Package: {name}\nVersion: 1\nArchitecture: amd64\nMaintainer: a <a@b.c>\nDescription: none\n"

# Elsewhere there is no User-Mode Linux, and no such lab.
pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64", reason="virtual Pis need Linux on x86-64"
)


def module(name: str) -> ModuleType:
    return import_module(f"virtual_lab.{name}")


def virtual_lab(*arguments: str | Path, path: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "virtual_lab", *arguments],
        cwd=FILES,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": path or "/usr/bin:/bin"},
    )


def assert_one_line(done: subprocess.CompletedProcess[str], *says: str) -> None:
    assert done.returncode == 2, done.stdout
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
    for text in says:
        assert text in done.stderr


def fake_kernel(folder: Path, version: str = "6.1.176") -> Path:
    """A folder that looks as if user-mode-linux were installed there; its kernel can only say its version."""
    binary = folder / "usr/bin/linux.uml"
    binary.parent.mkdir(parents=True)
    binary.write_text(f"#!/bin/sh\necho {version}\n", encoding="utf-8")
    binary.chmod(0o755)
    (folder / "usr/lib/uml/modules" / version).mkdir(parents=True)
    return folder


def test_a_machine_without_user_mode_linux_is_told_all_that_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module("kernel"), "_INSTALLED", tmp_path / "nothing")
    monkeypatch.setattr(module("kernel"), "processor_flags", lambda: frozenset({"amx_tile"}))
    missing = {"mmdebstrap", "cc", "ping"}
    monkeypatch.setattr(shutil, "which", lambda command: None if command in missing else command)
    with pytest.raises(module("errors").HostError) as refused:
        module("kernel").find_kernel(tmp_path, None, {"ping": "iputils-ping", "ip": "iproute2"})
    said = str(refused.value)
    packages = said.partition("apt install ")[2].partition(";")[0].split()
    assert packages[0] == "user-mode-linux"
    assert {"mmdebstrap", "gcc", "iputils-ping"} <= set(packages) and "iproute2" not in packages
    assert str(tmp_path) in said and "virtual_pi_uml_deb" in said


@pytest.mark.processes
def test_check_names_the_packages_of_further_commands(tmp_path: Path) -> None:
    base = ("check", "--cache", tmp_path, "--suite", "bookworm")
    further = ("--command", "no-such-ping", "their-ping", "--command", "no-such-user", "their-user")
    assert_one_line(virtual_lab(*base, *further), "apt install ", " their-ping ", " their-user")


def test_ci_installs_every_package_that_the_lab_tests_need() -> None:
    test_lab = (FILES.parents[3] / "scripts" / "test-lab").read_text(encoding="utf-8")
    further = set(re.findall(r"--command \S+ ([\w-]+)", test_lab))
    assert "iputils-ping" in further
    own = {
        "user-mode-linux",
        "debian-archive-keyring",
        "gcc",
        "libc6-dev",
        *module("host")._COMMANDS.values(),
        *module("host")._NAMESPACE_COMMANDS.values(),
    }
    ci = (FILES.parents[3] / ".ci" / "run").read_text(encoding="utf-8").split()
    # Debian always has these.
    assert (own | further) - set(ci) == {"mount", "util-linux"}


def test_a_lab_of_namespaces_names_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda command: None if command in ("sshd", "ip") else command)
    with pytest.raises(module("errors").HostError, match="apt install iproute2 openssh-server$"):
        module("host").check_namespaces()


@pytest.mark.processes
def test_a_lab_of_namespaces_is_for_root(tmp_path: Path) -> None:
    lab = tmp_path / "namespaces"
    arguments = ["network", "--lab", str(lab), "--kind", "namespace", "--pis", "3"]
    code = "import os, runpy; os.geteuid = lambda: 1000; runpy.run_module('virtual_lab', run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=FILES, capture_output=True, text=True, check=False
    )
    assert_one_line(done, "needs root")
    assert not lab.exists()


def test_a_machine_of_another_architecture_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    with pytest.raises(module("errors").HostError, match="x86-64.*aarch64"):
        module("host").check_architecture()


@pytest.mark.processes
@pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="needs dpkg-deb")
def test_a_file_that_is_not_the_package_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    other = tmp_path / "other"
    (other / "DEBIAN").mkdir(parents=True)
    (other / "DEBIAN" / "control").write_text(CONTROL.format(name="other"), encoding="utf-8")
    subprocess.run(["dpkg-deb", "--build", other, tmp_path / "other.deb"], check=True, capture_output=True)
    (tmp_path / "text.deb").write_text("no package", encoding="utf-8")

    cache = tmp_path / "cache"
    base = ("build", "--cache", cache, "--suite", "bookworm", "--uml-deb")
    assert_one_line(virtual_lab(*base, tmp_path / "none.deb"), "none.deb cannot be read")
    assert_one_line(virtual_lab(*base, tmp_path / "text.deb"), "text.deb cannot be unpacked")
    assert_one_line(virtual_lab(*base, tmp_path / "other.deb"), "other.deb contains no usr/bin/linux.uml")
    assert list(cache.iterdir()) == []


@pytest.mark.processes
@pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="needs dpkg-deb")
def test_a_package_in_the_cache_serves_where_none_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = fake_kernel(tmp_path / "package", "6.12.3")
    (package / "DEBIAN").mkdir()
    (package / "DEBIAN" / "control").write_text(CONTROL.format(name="user-mode-linux"), encoding="utf-8")
    deb = tmp_path / "user-mode-linux_1_amd64.deb"
    subprocess.run(["dpkg-deb", "--build", package, deb], check=True, capture_output=True)
    monkeypatch.setattr(module("kernel"), "_INSTALLED", tmp_path / "nothing")

    kernel = module("kernel").find_kernel(tmp_path, None)
    assert kernel.version == "6.12.3"
    assert kernel.modules.is_dir() and kernel.modules.is_relative_to(tmp_path)

    monkeypatch.setattr(module("kernel"), "_INSTALLED", fake_kernel(tmp_path / "installed"))
    assert module("kernel").find_kernel(tmp_path, None).version == "6.1.176"


@pytest.mark.parametrize(
    ("version", "flags", "needs"),
    [
        ("6.1.176", {"avx512f"}, False),
        ("6.1.176", {"avx512f", "amx_tile"}, True),
        ("6.12.101", {"amx_tile"}, True),
        ("6.13.1", {"amx_tile"}, False),
        ("7.2.7", {"amx_tile"}, False),
    ],
)
def test_an_old_kernel_is_helped_on_a_processor_with_more_state_than_it_knows(
    version: str, flags: set[str], needs: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module("kernel"), "processor_flags", lambda: frozenset(flags))
    kernel = module("kernel").Kernel(binary=tmp_path, version=version, modules=tmp_path)
    assert kernel.needs_shim is needs


@pytest.mark.parametrize(
    "change",
    [
        lambda base_root, kernel: base_root(suite="trixie"),
        lambda base_root, kernel: base_root(kernel=kernel("6.1.177")),
        lambda base_root, kernel: setattr(module("base_root"), "_PACKAGES", ("systemd",)),
    ],
)
def test_another_recipe_is_another_base_root(
    change: Callable[[Any, Any], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = module("base_root")._PACKAGES
    monkeypatch.setattr(module("base_root"), "_PACKAGES", packages)

    def kernel(version: str) -> Any:
        return module("kernel").Kernel(binary=tmp_path, version=version, modules=tmp_path)

    def base_root(**other: Any) -> Any:
        settings = {"cache": tmp_path, "suite": "bookworm", "kernel": kernel("6.1.176")} | other
        return module("base_root").BaseRoot(**settings)

    before = base_root().path
    assert base_root().path == before
    changed = change(base_root, kernel) or base_root()
    assert changed.path != before


@pytest.mark.processes
def test_a_pid_that_another_process_got_is_not_ours(tmp_path: Path) -> None:
    processes = module("processes")
    pid_file = tmp_path / "pid"
    stranger = subprocess.Popen(["sleep", "60"], cwd="/")
    try:
        pid_file.write_text(f"{stranger.pid}\n", encoding="ascii")
        assert processes.running_pid(pid_file) is None
        assert processes.stop(pid_file) is False
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.processes
def test_a_process_is_known_by_its_folder_until_it_is_stopped(tmp_path: Path) -> None:
    processes = module("processes")
    pid_file = tmp_path / "pid"
    ours = processes.start(["sleep", "60"], pid_file, tmp_path / "log")
    assert processes.running_pid(pid_file) == ours.pid
    assert processes.stop(pid_file) is True
    assert ours.wait() == -9
    assert processes.running_pid(pid_file) is None
    assert not pid_file.exists()


@pytest.mark.processes
def test_a_lab_that_is_not_up_says_how_to_bring_it_up(tmp_path: Path) -> None:
    lab = tmp_path / "a lab"
    lab.mkdir()
    module("access").give_access(lab, "make lab")
    done = subprocess.run([lab / "enter", "true"], capture_output=True, text=True, check=False)
    assert_one_line(done, "make lab")


def test_more_memory_than_there_is_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(module("errors").HostError, match=r"/dev/shm .* pi1 .*virtual_pi_memory_mb"):
        module("pi").Pi(tmp_path, "pi1").boot(None, memory_mb=10**9, cpu=0)


@pytest.mark.processes
def test_purge_removes_what_was_made_and_keeps_what_the_user_put_there(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    (cache / "uml-0123").mkdir(parents=True)
    for name in ("root-bookworm-0123.ext4", "wide_xstate-0123.so", "user-mode-linux_1_amd64.deb"):
        (cache / name).touch()
    assert virtual_lab("purge", "--cache", cache).stdout == "changed\n"
    assert [path.name for path in cache.iterdir()] == ["user-mode-linux_1_amd64.deb"]


@pytest.mark.processes
def test_removing_a_lab_that_is_not_there_changes_nothing(tmp_path: Path) -> None:
    assert virtual_lab("absent", "--lab", tmp_path / "none").stdout == "unchanged\n"
    assert list(tmp_path.iterdir()) == []
