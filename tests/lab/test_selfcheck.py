"""`controller selfcheck` on virtual Pis, good ones and bad ones."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.virtual_lab import VirtualLab, assert_succeeds, half_a_processor

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1800)]

NETWORKS = """
slow: {delay_ms: 5, rate_mbit: 8}
worn: {delay_ms: 5, rate_mbit: 8, pairs: {pi1 -> pi2: {rate_mbit: 6.4}}}
"""


class SelfcheckedLab(VirtualLab):
    """Virtual Pis, and the networks of these tests."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._networks = folder / "networks.yml"
        self._networks.write_text(NETWORKS, encoding="utf-8")

    def shape(self, network: str) -> None:
        assert_succeeds(self.links("main", f"networks_file='{self._networks}'", f"network_name={network}"))

    def selfcheck(self) -> subprocess.CompletedProcess[str]:
        """Check the lab and its links, which are to be `slow`."""
        options = ["--lab", ".edgecut/virtual.json", "--network", "slow", "--networks", str(self._networks)]
        return self.run(self.folder / "enter", *self.python_module("controller", "selfcheck", *options))


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SelfcheckedLab]:
    """Two Pis, deployed; their links are cleared at the end."""
    lab = SelfcheckedLab(tmp_path_factory.mktemp("selfcheck") / "edge cut")
    with lab.up("pis=2", deployed=True):
        yield lab


def wrong(selfcheck: subprocess.CompletedProcess[str]) -> list[str]:
    """What it names."""
    lines = selfcheck.stdout.splitlines()
    return [line.removeprefix("wrong: ") for line in lines if line.startswith("wrong: ")]


def test_a_good_lab_passes(lab: SelfcheckedLab) -> None:
    lab.shape("slow")
    selfcheck = lab.selfcheck()
    print(selfcheck.stdout)
    assert_succeeds(selfcheck)


def test_half_a_processor_and_a_link_at_four_fifths_of_its_rate_are_named(lab: SelfcheckedLab) -> None:
    lab.shape("worn")
    with half_a_processor(lab.processes("pi2")):
        selfcheck = lab.selfcheck()
    print(selfcheck.stdout)
    assert selfcheck.returncode == 1, selfcheck.stderr
    assert any(line.startswith("pi2: a stage that computes takes") for line in wrong(selfcheck))
    (link,) = [line for line in wrong(selfcheck) if ": carries " in line]
    assert link.startswith("pi1 -> pi2: carries 6.")
