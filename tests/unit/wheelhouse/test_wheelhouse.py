"""From a kind of device to one archive of wheels: chosen for it, whole, kept, made anew.

pip is real, its index a folder.
"""

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from worker.host.device import source_digest

ROOT = Path(__file__).parents[3]
FILES = ROOT / "ansible" / "roles" / "wheels" / "files"
NATIVE = "cp311-cp311-manylinux_2_28_{}"

pytestmark = pytest.mark.processes

Wheelhouse = Callable[..., subprocess.CompletedProcess[str]]


def module(name: str) -> ModuleType:
    return import_module(f"wheelhouse.{name}")


def make_wheel(folder: Path, name: str, version: str, tag: str, requires: str = "") -> None:
    info = f"{name}-{version}.dist-info"
    needs = f"Requires-Dist: {requires}\n" if requires else ""
    with zipfile.ZipFile(folder / f"{name}-{version}-{tag}.whl", "w") as wheel:
        wheel.writestr(f"{name}.py", "")
        wheel.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}"
        )
        wheel.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n")
        wheel.writestr(f"{info}/RECORD", "")


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """Wheels as an index would have them; numpy and onnxruntime for two architectures and one Python."""
    folder = tmp_path / "index"
    folder.mkdir()
    for architecture in ("aarch64", "x86_64"):
        make_wheel(folder, "numpy", "2.0", NATIVE.format(architecture))
        make_wheel(folder, "onnxruntime", "1.0", NATIVE.format(architecture), requires="flatbuffers")
    make_wheel(folder, "numpy", "2.1", NATIVE.format("x86_64"))
    make_wheel(folder, "flatbuffers", "3.0", "py3-none-any")
    make_wheel(folder, "pip", module("target").PIP.split("==")[1], "py3-none-any")
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "edge cut"
    (folder / "worker").mkdir(parents=True)
    (folder / "worker" / "__main__.py").write_text("print('worker')\n")
    pin(folder, "numpy==2.0", "onnxruntime==1.0")
    return folder


def pin(project: Path, *requirements: str) -> None:
    (project / "pyproject.toml").write_text(
        f'[project]\nversion = "0.1.0"\ndependencies = {json.dumps(requirements)}\n'
        '[project.optional-dependencies]\ncodecs = ["numpy==2.0", "flatbuffers==3.0"]\nlate = ["torch"]\n'
    )


@pytest.fixture
def wheelhouse(tmp_path: Path, index: Path, project: Path) -> Wheelhouse:
    """Runs the command against the local index."""

    def run(*options: str, **variables: str) -> subprocess.CompletedProcess[str]:
        given = ["--root", str(project), "--cache", str(tmp_path / "cache"), "--architecture", "aarch64"]
        variables = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index)} | variables
        variables |= {
            "PYTHONPATH": f"{FILES}:{ROOT}",
            "PIP_CONFIG_FILE": os.devnull,
            "PATH": os.environ["PATH"],
        }
        return subprocess.run(
            [sys.executable, "-m", "wheelhouse", *given, "--python", "3.11", *options],
            cwd=tmp_path,
            env=variables,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def told(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def assert_one_line(done: subprocess.CompletedProcess[str], *says: str) -> None:
    assert done.returncode == 2, done.stdout
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
    for text in says:
        assert text in done.stderr


def leftovers(tmp_path: Path) -> list[str]:
    """What is in the cache besides the worker and the lock."""
    names = [path.name for path in (tmp_path / "cache").iterdir()]
    return sorted(name for name in names if name != "lock" and not name.startswith("edgecut_worker"))


def test_wheels_are_chosen_for_the_device_fetched_once_and_kept(
    wheelhouse: Wheelhouse, tmp_path: Path
) -> None:
    first, again = told(wheelhouse()), told(wheelhouse())
    assert (first["changed"], again["changed"]) == (True, False)
    assert first["digest"] == again["digest"]
    with tarfile.open(first["archive"]) as archive:
        names = [name for name in archive.getnames() if name != "wheels.json"]
    assert names == first["wheels"]
    assert [name.split("-")[0] for name in names] == ["flatbuffers", "numpy", "onnxruntime", "pip"]
    assert "numpy-2.0-cp311-cp311-manylinux_2_28_aarch64.whl" in names
    assert leftovers(tmp_path) == [Path(first["archive"]).name]


def test_other_pins_make_another_archive_and_the_former_goes(
    wheelhouse: Wheelhouse, project: Path, tmp_path: Path
) -> None:
    former = told(wheelhouse("--architecture", "x86_64"))
    kept = told(wheelhouse())
    pin(project, "numpy==2.1", "onnxruntime==1.0")
    now = told(wheelhouse("--architecture", "x86_64"))
    assert now["changed"] and now["digest"] != former["digest"]
    assert leftovers(tmp_path) == sorted(Path(one["archive"]).name for one in (kept, now))


def test_extras_are_for_the_devices_that_are_to_have_them(wheelhouse: Wheelhouse, tmp_path: Path) -> None:
    without = told(wheelhouse())
    with_codecs = told(wheelhouse("--extra", "codecs"))
    assert with_codecs["requirements"] == [*without["requirements"], "flatbuffers==3.0"]
    # Devices of one kind with different extras must not take each other's archive away.
    assert leftovers(tmp_path) == sorted(Path(one["archive"]).name for one in (without, with_codecs))
    assert told(wheelhouse())["changed"] is False
    assert_one_line(wheelhouse("--extra", "codec"), "no extra 'codec'; it has codecs, late")
    assert_one_line(wheelhouse("--extra", "late"), "dependency 'torch' is not pinned")


def test_a_device_gets_pytorch_without_cuda(wheelhouse: Wheelhouse, index: Path, project: Path) -> None:
    (project / "pyproject.toml").write_text(
        '[project]\nversion = "0.1.0"\ndependencies = ["numpy==2.0"]\n'
        '[project.optional-dependencies]\ntorch_rpc = ["torch==2.9"]\n'
    )
    make_wheel(index, "torch", "2.9", NATIVE.format("aarch64"), requires="triton")
    says = "torch==2.9+cpu (PyTorch comes from https://there; TORCH_INDEX names another index)"
    assert_one_line(wheelhouse("--extra", "torch_rpc", TORCH_INDEX="https://there"), says)
    make_wheel(index, "torch", "2.9+cpu", NATIVE.format("aarch64"))
    names = told(wheelhouse("--extra", "torch_rpc"))["wheels"]
    assert [name.split("-")[:2] for name in names] == [
        ["numpy", "2.0"],
        ["pip", module("target").PIP.split("==")[1]],
        ["torch", "2.9+cpu"],
    ]
    online = told(wheelhouse("--extra", "torch_rpc", "--online"))["requirements"]
    assert online[1:] == ["torch==2.9+cpu", f"--extra-index-url={module('target').TORCH_INDEX}"]


@pytest.mark.parametrize(
    "damage", [lambda data: data[: len(data) // 2], lambda data: data.replace(b"numpy.py", b"bumpy.py")]
)
def test_an_archive_that_is_damaged_is_fetched_again(
    wheelhouse: Wheelhouse, damage: Callable[[bytes], bytes]
) -> None:
    archive = Path(told(wheelhouse())["archive"])
    whole = archive.read_bytes()
    archive.write_bytes(damage(whole))
    assert told(wheelhouse())["changed"] is True
    assert archive.read_bytes() == whole


def test_what_has_no_wheels_is_named_with_the_kind_of_device_and_nothing_is_left(
    wheelhouse: Wheelhouse, tmp_path: Path
) -> None:
    assert_one_line(wheelhouse("--python", "3.10"), "aarch64, Python 3.10", "numpy==2.0, onnxruntime==1.0")
    assert_one_line(wheelhouse("--provider", "cuda"), "provider cuda: onnxruntime-gpu[cuda,cudnn]==1.0")
    assert_one_line(wheelhouse("--architecture", "armv7l"), "armv7l", "aarch64 and x86_64", "64-bit")
    assert leftovers(tmp_path) == []


def test_an_index_that_cannot_be_reached_is_said(wheelhouse: Wheelhouse, tmp_path: Path) -> None:
    nobody = {"PIP_NO_INDEX": "", "PIP_FIND_LINKS": "", "PIP_INDEX_URL": "http://127.0.0.1:9/simple"}
    assert_one_line(wheelhouse(**nobody), "index cannot be reached", "wheels_online=true")
    assert leftovers(tmp_path) == []
    # What is in the cache needs no network.
    told(wheelhouse())
    assert told(wheelhouse(**nobody))["changed"] is False


def test_a_full_disk_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pip, target = module("pip"), module("target")
    full = subprocess.CompletedProcess(
        [], 1, "", "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n"
    )
    monkeypatch.setattr(pip, "_pip", lambda *_arguments: full)
    with pytest.raises(module("errors").FetchError, match=f"{tmp_path} .*disk is full"):
        pip.download(target.Target("aarch64", "3.11", "cpu"), ["numpy==2.0"], tmp_path)


def test_a_device_that_fetches_for_itself_gets_the_pins_and_the_worker(
    wheelhouse: Wheelhouse, tmp_path: Path
) -> None:
    answer = told(wheelhouse("--online", PIP_FIND_LINKS=""))
    assert answer["requirements"] == ["numpy==2.0", "onnxruntime==1.0"]
    assert Path(answer["worker"]).is_file() and "archive" not in answer
    assert leftovers(tmp_path) == []


def test_a_project_that_is_not_pinned_or_has_no_worker_is_refused(
    wheelhouse: Wheelhouse, project: Path
) -> None:
    pin(project, "numpy>=2")
    assert_one_line(wheelhouse(), "'numpy>=2' is not pinned")
    pin(project, "numpy==2.0")
    (project / "worker" / "__main__.py").unlink()
    assert_one_line(wheelhouse(), f"{project}/worker is not the package worker")


def test_the_provider_decides_which_onnx_runtime() -> None:
    target = module("target")
    base = target.base_requirements(ROOT)
    assert target.Target("x86_64", "3.12", "cpu").requirements(base) == base
    version = next(one.split("==")[1] for one in base if one.startswith("onnxruntime=="))
    with_gpu = target.Target("x86_64", "3.12", "cuda").requirements(base)
    assert f"onnxruntime-gpu[cuda,cudnn]=={version}" in with_gpu
    assert not [one for one in with_gpu if one.startswith("onnxruntime==")]


def test_the_same_sources_make_the_same_wheel_and_other_sources_another(
    project: Path, tmp_path: Path
) -> None:
    build = module("worker_wheel").build_worker_wheel
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    one, other = (build(project, folder, source_digest) for folder in folders)
    assert one.path.read_bytes() == other.path.read_bytes()
    (project / "worker" / "__main__.py").write_text("print('changed')\n")
    changed = build(project, folders[0], source_digest)
    assert changed.path.name != one.path.name and changed.digest != one.digest


def test_the_worker_that_is_installed_has_the_digest_of_its_sources(tmp_path: Path) -> None:
    wheel = module("worker_wheel").build_worker_wheel(ROOT, tmp_path, source_digest)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    subprocess.run([*pip, "--target", tmp_path / "there", wheel.path], check=True)
    program = "import worker.host.device as d; print(d.__file__, d.source_digest())"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path / "there",
        capture_output=True,
        text=True,
        check=True,
    )
    where, digest = done.stdout.split()
    assert where.startswith(str(tmp_path)) and digest == wheel.digest == source_digest()
    assert wheel.digest[:16] in wheel.path.name
