"""Root in trees that the worker's user may change, full of links and forged records: roles, run for real."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from exporter.bundle import Bundle
from tests.integration.playbooks.local_lab import assert_succeeds
from tests.integration.playbooks.own_host import OwnHost

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to have a host of its own"),
]

RECORD = {
    "packages": "purge openssh-server\n",
    "time_sync": "ssh.service disabled\n",
    "governors": "/srv/foreign/{name}/governor:powersave\n",
}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, tiny: Bundle) -> OwnHost:
    """A host with a worker's service and one bundle, deployed by a root that cannot look into the store."""
    host = OwnHost(tmp_path_factory.mktemp("host"))
    host.install_environment()
    assert_succeeds(host.play(role("provision"), role("worker"), bundles(tiny)))
    assert host.calls() == []
    return host


def role(name: str, tasks: str = "main", **variables: Any) -> dict[str, Any]:
    return {"ansible.builtin.include_role": {"name": name, "tasks_from": tasks}, "vars": variables}


def bundles(bundle: Bundle) -> dict[str, Any]:
    wanted = [{"model": "tiny", "digest": bundle.digest, "path": str(bundle.path)}]
    return role("bundles", bundles_wanted=wanted, prune_bundles=True)


class Device:
    """One of the host's devices: folders of its own, and files in /srv that are not edgecut's."""

    def __init__(self, host: OwnHost, name: str) -> None:
        self.name = name
        self.parent = host.path(f"/var/lib/{name}")
        self.store = self.parent / "store"
        self.record = self.parent / "provisioned"
        self.foreign = host.path("/srv/foreign") / name
        self.settings = {
            "device_dir": f"/opt/{name}",
            "device_python": "/opt/edgecut/venv/bin/python",
            "device_secrets": f"/etc/{name}",
            "store": f"/var/lib/{name}/store",
            "provision_record": f"/var/lib/{name}/provisioned",
        }
        user = host.path("/var/lib/edgecut/store").stat()
        self._user = user.st_uid, user.st_gid
        self.parent.mkdir(mode=0o755)
        self.store.mkdir(mode=0o700)
        (self.store / "bundles").mkdir()
        (self.foreign / "folder").mkdir(parents=True)
        for file in ("weights.bin", "folder/file"):
            (self.foreign / file).write_text("not edgecut's")
        (self.foreign / "governor").write_text("performance\n")
        self.give_to_worker(self.store)
        self.before = self.foreign_state()

    def give_to_worker(self, path: Path) -> None:
        """Make a folder, and what is in it, the worker's user's."""
        for each in (path, *path.rglob("*")):
            os.chown(each, *self._user, follow_symlinks=False)

    def link(self, path: Path, *, to: str = "") -> None:
        """Put a link to what is not edgecut's, as the worker's user."""
        path.symlink_to(Path("/srv/foreign") / self.name / to)
        os.chown(path, *self._user, follow_symlinks=False)

    def forge(self) -> None:
        """Write a record of changes that edgecut never made."""
        self.record.mkdir()
        for name, line in RECORD.items():
            (self.record / name).write_text(line.format(name=self.name))

    def foreign_state(self) -> list[tuple[Any, ...]]:
        """Owners, modes, times and contents of what is not edgecut's."""
        found = []
        for path in sorted([self.foreign, *self.foreign.rglob("*")]):
            status = path.lstat()
            text = path.read_text() if path.is_file() else ""
            found.append((path, status.st_uid, status.st_gid, status.st_mode, status.st_mtime_ns, text))
        return found


def reasons(done: "subprocess.CompletedProcess[str]") -> dict[str, str]:
    """Why each device failed."""
    parts = (part.partition("]: FAILED!") for part in done.stdout.split("fatal: [")[1:])
    return {name: " ".join(rest.partition("\n\n")[0].split()) for name, _, rest in parts}


def test_all_in_the_store_is_the_worker_users_and_nothing_above_it(host: OwnHost, tiny: Bundle) -> None:
    store = host.path("/var/lib/edgecut/store")
    user = store.stat().st_uid
    assert user != 0
    inside = list(store.rglob("*"))
    assert {path.lstat().st_uid for path in inside} == {user}
    assert {path.name for path in inside if path.is_file()} == {
        *("manifest.json", "samples.npz", "shards.zip", "weights.bin")
    }
    for path in (store.parent, store.parent / "provisioned", store.parent / "provisioned" / "user"):
        assert path.stat().st_uid == 0
        assert path.stat().st_mode & 0o022 == 0
    assert not host.path("/opt/edgecut/upload").exists()


def test_bundles_are_brought_past_links(host: OwnHost, tiny: Bundle) -> None:
    folder, files, whole, store = (Device(host, name) for name in ("folder", "files", "whole", "itself"))
    folder.link(folder.store / "bundles" / tiny.digest, to="folder")
    bundle = files.store / "bundles" / tiny.digest
    bundle.mkdir()
    files.link(bundle / "weights.bin", to="weights.bin")
    (bundle / "samples.npz").hardlink_to(files.foreign / "folder" / "file")
    os.mkfifo(bundle / "shards.zip")
    (bundle / "manifest.json").write_bytes((tiny.path / "manifest.json").read_bytes())
    files.link(files.store / "bundles" / "stray", to="folder")
    for path in (bundle, bundle / "shards.zip", bundle / "manifest.json"):
        os.chown(path, files.store.stat().st_uid, -1)
    (whole.store / "bundles").rmdir()
    whole.link(whole.store / "bundles")
    (store.store / "bundles").rmdir()
    store.store.rmdir()
    store.link(store.store)

    liar = Device(host, "liar")
    (tiny.path.parent / "secret").write_text("the controller's")
    findings = f'{{"{tiny.digest}": {{"lacks": ["../secret", "weights.bin"], "altered": []}}}}'
    python = host.path("/opt/liars_python")
    python.write_text(f"#!/bin/sh\necho '{findings}'\n")
    python.chmod(0o755)
    liar.settings["device_python"] = "/opt/liars_python"

    devices = (folder, files, whole, store, liar)
    done = host.play(bundles(tiny), hosts={device.name: device.settings for device in devices})
    for device in devices:
        assert device.foreign_state() == device.before
    why = reasons(done)
    assert set(why) == {"folder", "whole", "itself", "liar"}, done.stdout
    assert "(item=weights.bin)" in done.stdout
    assert "(item=../secret)" not in done.stdout
    for name in ("folder", "whole", "itself"):
        assert f"msg: '{name}: install: " in why[name]
        assert "Permission denied" in why[name]
    assert sorted(path.name for path in (files.store / "bundles").iterdir()) == [tiny.digest]
    for name in ("weights.bin", "samples.npz", "shards.zip"):
        assert not (bundle / name).is_symlink()
        assert (bundle / name).read_bytes() == (tiny.path / name).read_bytes()


def test_a_deployment_acts_in_no_folder_that_others_may_change(host: OwnHost) -> None:
    parent, store, record = (Device(host, name) for name in ("parent", "link", "record"))
    parent.give_to_worker(parent.parent)
    (store.store / "bundles").rmdir()
    store.store.rmdir()
    store.link(store.store)
    record.forge()
    record.give_to_worker(record.record)

    devices = (parent, store, record)
    done = host.play(
        role("provision") | {"when": "inventory_hostname == 'record'"},
        role("worker"),
        hosts={device.name: device.settings for device in devices},
    )
    for device in devices:
        assert device.foreign_state() == device.before
    why = reasons(done)
    assert set(why) == {"parent", "link", "record"}, done.stdout
    assert "parent: /var/lib/parent belongs to edgecut, and root works only where" in why["parent"]
    assert "/var/lib/link/store already exists as a link" in why["link"]
    assert (
        "record: /var/lib/record/provisioned belongs to edgecut, and root works only where" in why["record"]
    )
    assert store.store.is_symlink()
    assert host.calls() == []


def test_a_teardown_removes_what_is_edgecuts_and_believes_no_forged_record(host: OwnHost) -> None:
    links, itself, forged, file, linked = (
        Device(host, name) for name in ("links", "linked_store", "forged", "forged_file", "linked_record")
    )
    for device in (links, file, linked):
        device.link(device.store / "bundles" / "folder", to="folder")
        device.link(device.store / "link", to="weights.bin")
        (device.store / "bundles" / "hard").hardlink_to(device.foreign / "weights.bin")
    (itself.store / "bundles").rmdir()
    itself.store.rmdir()
    itself.link(itself.store)
    for device in (forged, file):
        device.forge()
    forged.give_to_worker(forged.parent)
    file.give_to_worker(file.record / "packages")
    linked.forge()
    theirs = linked.record.rename(host.path("/var/lib/theirs"))
    linked.give_to_worker(theirs)
    linked.record.symlink_to("/var/lib/theirs")

    devices = (links, itself, forged, file, linked)
    done = host.play(
        role("network", "absent") | {"when": "inventory_hostname == 'pi1'"},
        role("worker", "absent"),
        role("provision", "absent"),
        hosts={"pi1": {}} | {device.name: device.settings for device in devices},
    )
    for device in devices:
        assert device.foreign_state() == device.before
    why = reasons(done)
    assert set(why) == {device.name for device in devices[1:]}, done.stdout
    assert "/var/lib/linked_store/store" in why["linked_store"]
    assert "forged: /var/lib/forged belongs to edgecut" in why["forged"]
    assert "/var/lib/forged_file/provisioned/packages belongs to edgecut" in why["forged_file"]
    assert "/var/lib/theirs belongs to edgecut" in why["linked_record"]
    assert {word for call in host.calls() for word in call.split() if word.endswith(".service")} <= {
        "edgecut-worker.service"
    }
    for path in ("/opt/edgecut", "/var/lib/edgecut", "/etc/edgecut", "/var/lib/links"):
        assert not host.path(path).exists()
    assert "edgecut" not in host.path("/etc/passwd").read_text()
