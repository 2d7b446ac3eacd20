"""The lab's authority: whom it gives certificates, and what leaves its folder."""

import datetime
import hashlib
import json
from pathlib import Path

import pytest
from cryptography import x509

from controller.__main__ import main
from controller.errors import LabError
from controller.lab.certificates import Authority


def sha256(pem: bytes) -> str:
    return hashlib.sha256(pem).hexdigest()


def test_a_device_gets_a_certificate_once(tmp_path: Path) -> None:
    with Authority(tmp_path / "lab.tls") as authority:
        assert authority.needs("pi", "")
        issued = authority.issue("pi").pem
        assert not authority.needs("pi", sha256(issued))
        assert authority.needs("pi", "") and authority.needs("server", sha256(issued))
    with Authority(tmp_path / "lab.tls") as again:
        assert not again.needs("pi", sha256(issued))
        assert again.needs("pi", sha256(again.issue("server").pem))


def test_a_certificate_says_who_holds_it_and_is_signed_by_the_authority(tmp_path: Path) -> None:
    with Authority(tmp_path) as authority:
        pem = authority.issue("pi 3/b").pem
        ca = x509.load_pem_x509_certificate(authority.ca_pem)
    assert pem.count(b"PRIVATE KEY") == 2 and b"PRIVATE" not in authority.ca_pem
    certificate = x509.load_pem_x509_certificate(pem)
    certificate.verify_directly_issued_by(ca)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["edgecut:pi%203%2Fb"]
    # A Pi without a battery begins years ago.
    assert certificate.not_valid_before_utc.year == 2000
    assert certificate.not_valid_after_utc - datetime.datetime.now(datetime.UTC) > datetime.timedelta(
        days=3600
    )


def test_a_certificate_that_ends_soon_is_made_anew(tmp_path: Path) -> None:
    with Authority(tmp_path) as authority:
        issued = authority.issue("pi").pem
        record = json.loads((tmp_path / "issued.json").read_text())
        soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=300)
        record["pi"]["until"] = soon.isoformat()
        (tmp_path / "issued.json").write_text(json.dumps(record))
        assert authority.needs("pi", sha256(issued))


def test_nothing_in_the_folder_is_for_others_and_no_key_of_a_device_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "lab.tls"
    with Authority(folder) as authority:
        issued = authority.issue("pi")
    assert "PRIVATE" not in repr(issued)
    secret = issued.pem.split(b"\n")[1]
    assert folder.stat().st_mode & 0o777 == 0o700
    files = {path.name: path for path in folder.iterdir()}
    assert sorted(files) == ["ca.pem", "ca_key.pem", "device.pem", "issued.json"]
    for path in files.values():
        assert path.stat().st_mode & 0o777 == 0o600
        assert secret not in path.read_bytes()


def test_no_device_gets_the_controllers_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["controller", "certificate", "controller", "--authority", str(tmp_path / "lab.tls")]
    monkeypatch.setattr("sys.argv", command)
    assert main() == 2
    assert capsys.readouterr().err == "error: 'controller' is a reserved name; rename this device\n"
    assert not list(tmp_path.iterdir())


def test_a_folder_that_holds_something_else_is_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    with (
        pytest.raises(LabError, match=r"holds no valid certificate authority .*-e new_key=true"),
        Authority(tmp_path),
    ):
        pass
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(LabError, match="file"), Authority(file):
        pass
