"""Labs with a key and labs with certificates: whole sweeps over them, and no secret out of its file."""

import contextlib
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from controller.lab.certificates import Authority
from controller.lab.inventory import load_lab
from controller.lab.worker_pool import WorkerPool
from controller.links.probing import probe_path
from controller.results import Results
from tests.integration.commands import analysis, controller, sweep
from tests.integration.labs import LabWorker, running_workers, write_experiment, write_lab
from tests.integration.waiting import wait_until

DEVICES = ("pi", "server")
METHODS = ("key", "tls")


@dataclass
class SecuredLab:
    file: Path
    folder: Path
    method: str
    workers: list[LabWorker]

    def secrets(self) -> list[bytes]:
        """Every line that must be nowhere but in its own file."""
        found: list[bytes] = []
        for path in [*self.folder.rglob("*.key"), *self.folder.rglob("*.pem")]:
            text = path.read_bytes()
            if path.suffix == ".key":
                found += [text.strip(), bytes.fromhex(text.decode())]
            elif b"PRIVATE" in text:
                found += text.split(b"-----END PRIVATE")[0].splitlines()[1:]
        return found


def make_key(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(0o600)
    path.write_text(secrets.token_hex(32) + "\n")
    return path


def secrets_of(folder: Path, method: str) -> dict[str, list[str]]:
    """What each device's worker is told, once the lab has its secrets in this folder."""
    if method == "key":
        return dict.fromkeys(DEVICES, ["--key-file", str(make_key(folder / "lab.key"))])
    told = {}
    with Authority(folder / "lab.tls") as authority:
        for name in DEVICES:
            own = folder / f"{name}.tls"
            own.mkdir()
            (own / "ca.pem").write_bytes(authority.ca_pem)
            (own / "device.pem").write_bytes(authority.issue(name).pem)
            told[name] = ["--certificates", str(own)]
    return told


@contextlib.contextmanager
def secured_lab(folder: Path, method: str) -> Iterator[SecuredLab]:
    own = folder / "secrets"
    own.mkdir()
    where = {"file": "secrets/lab.key"} if method == "key" else {"folder": "secrets/lab.tls"}
    with running_workers(folder, DEVICES, of_each=secrets_of(own, method)) as workers:
        file = write_lab(folder, workers.values(), security={"method": method, **where})
        yield SecuredLab(file, own, method, list(workers.values()))


@pytest.fixture(params=METHODS)
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SecuredLab]:
    with secured_lab(tmp_path, request.param) as made:
        yield made


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    return write_experiment(
        tmp_path, "wifi: {delay_ms: 2}\n", splits=[0, 2], depths=[4], topologies=["chain", "hub"]
    )


def commands_of(workers: list[LabWorker]) -> bytes:
    """What every user of this host sees of them."""
    processes = [psutil.Process(one.pid) for one in workers]
    return b"".join(
        Path(f"/proc/{process.pid}/{file}").read_bytes()
        for process in processes
        for file in ("cmdline", "environ")
    )


def test_a_sweep_runs_and_no_secret_gets_out_of_its_file(
    lab: SecuredLab, experiment: Path, bundles_folder: Path, tmp_path: Path
) -> None:
    swept = sweep(experiment, lab.file, bundles_folder)
    assert swept.returncode == 0, swept.stderr
    said = [swept, controller("status", "--lab", lab.file, "--infer")]
    assert said[1].returncode == 0, said[1].stdout
    with Results.open(tmp_path / "results.sqlite") as results:
        cells = results.cells()
        assert len(list(results.trials())) == len(cells) >= 4
        assert {device.stamp["security"] for device in results.devices()} == {lab.method}
    said.append(analysis("report", tmp_path / "results.sqlite", "--out", tmp_path / "report"))
    assert said[-1].returncode == 0, said[-1].stderr

    hidden = lab.secrets()
    assert len(hidden) >= 2 and all(len(secret) > 16 for secret in hidden)
    told = b"".join((one.stdout + one.stderr).encode() for one in said) + commands_of(lab.workers)
    files = [path for path in tmp_path.rglob("*") if path.is_file() and lab.folder not in path.parents]
    assert len(files) > 8 and (tmp_path / "report" / "report.html") in files
    for secret in hidden:
        assert secret not in told
        for path in files:
            assert secret not in path.read_bytes(), path
    for one in lab.workers:
        assert "denied" not in one.log.read_text()


def test_links_are_measured_and_workers_are_left_as_they_were(lab: SecuredLab) -> None:
    processes = [psutil.Process(one.pid) for one in lab.workers]
    with WorkerPool(load_lab(lab.file), DEVICES, 5.0) as pool:
        pi, server = (pool.workers[name] for name in DEVICES)
        for sender, receiver in ((pi, server), (server, pi)):
            round_trip_s, rate_mbit = probe_path(sender, receiver)
            assert round_trip_s < 1 and rate_mbit > 1
    before = [process.num_fds() for process in processes]
    for _ in range(5):
        with WorkerPool(load_lab(lab.file), DEVICES, 5.0):
            pass
    wait_until(lambda: all(p.num_fds() <= count for p, count in zip(processes, before, strict=True)))


def test_who_has_another_labs_secrets_is_told_what_to_do(
    lab: SecuredLab, experiment: Path, bundles_folder: Path, tmp_path: Path
) -> None:
    described = json.loads(lab.file.read_text())
    other = tmp_path / "other"
    other.mkdir()
    secrets_of(other, lab.method)
    where = {"file": "other/lab.key"} if lab.method == "key" else {"folder": "other/lab.tls"}
    unlike = "tls" if lab.method == "key" else "key"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    secrets_of(elsewhere, unlike)
    unlike_where = {"folder": "elsewhere/lab.tls"} if unlike == "tls" else {"file": "elsewhere/lab.key"}
    wrong = [{"method": lab.method, **where}, {"method": unlike, **unlike_where}, None]
    lab_file = tmp_path / "wrong.json"
    for security in wrong:
        lab_file.write_text(json.dumps(described | {"security": security}))
        ended = sweep(experiment, lab_file, bundles_folder)
        assert ended.returncode == 2
        last = ended.stderr.strip().splitlines()[-1]
        assert last.startswith(f"error: pi: worker at 127.0.0.1:{lab.workers[0].control_port} ")
        assert "run `edgecut deploy`, or name its own lab with --lab" in last
        assert "Traceback" not in ended.stderr
    lab_file.write_text(json.dumps(described | {"security": {"method": "key", "file": "absent.key"}}))
    ended = controller("status", "--lab", lab_file)
    assert ended.returncode == 2
    assert ended.stderr == (
        f"error: lab test: key file {tmp_path / 'absent.key'} cannot be read (No such file or directory): "
        "`edgecut deploy` makes it\n"
    )
    status = controller("status", "--lab", lab.file)
    assert status.returncode == 0
    assert "connections denied" in " ".join(status.stdout.split())
