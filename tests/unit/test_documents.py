"""What the pages name is there: where links lead, tests, files, targets of make, settings, fields."""

import re
from collections import Counter
from pathlib import Path
from typing import Final

import msgspec
import pytest

from tests.pages import PAGES, ROOT, code_of, name_of, prose_of
from worker.records import ENDPOINT, HOP
from worker.wire.messages import TelemetrySample

_LINK: Final = re.compile(r"\]\(([^()\s]+)\)|<img src=\"([^\"]+)\"")
_TEST: Final = re.compile(r"((?:[\w-]+/)*test_\w+\.py)")
_FOLDERS: Final = "analysis|ansible|controller|docs|exporter|inventory|scripts|tests|worker"
_PATH: Final = re.compile(rf"(?<![\w./-])((?:{_FOLDERS})/[\w./-]*\w)")
_MADE_BY_THE_READER: Final = "inventory/mylab"

every_page = pytest.mark.parametrize("page", PAGES, ids=name_of)


def anchors_of(page: Path) -> set[str]:
    """As GitHub makes them of headings, and those that stand there as such."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    found = set(re.findall(r'<a id="([^"]+)">', text))
    seen: Counter[str] = Counter()
    for heading in re.findall(r"^#{1,6} (.+)$", text, flags=re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


def leads_somewhere(page: Path, link: str) -> bool:
    """Whether a link within the repository does; others are not followed."""
    if re.match(r"https?:", link):
        return True
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    return target.exists() and target.is_relative_to(ROOT) and (not anchor or anchor in anchors_of(target))


@every_page
def test_every_link_leads_somewhere(page: Path) -> None:
    links = [inner or image for inner, image in _LINK.findall(prose_of(page))]
    assert [link for link in links if not leads_somewhere(page, link)] == []


@pytest.mark.parametrize(
    "link", ["none.md", "docs/setup.md#none", "#three-command", "docs/experiments.md#pytorchrpc", "../.."]
)
def test_a_dead_link_is_seen(link: str) -> None:
    assert not leads_somewhere(ROOT / "README.md", link)


@every_page
def test_every_test_that_is_named_is_there_once(page: Path) -> None:
    there = [f"/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / "tests").rglob("test_*.py")]
    named = {name for code in code_of(page) for name in _TEST.findall(code)}
    found = {name: [path for path in there if path.endswith(f"/{name}")] for name in named}
    assert {name: paths for name, paths in found.items() if len(paths) != 1} == {}


@pytest.mark.parametrize("page", ["security", "reliability"])
def test_every_promise_names_its_test(page: str) -> None:
    promises, under_tests = [], False
    for line in (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8").splitlines():
        under_tests = line.endswith("| test |") or (under_tests and line.startswith("|"))
        if under_tests and not line.endswith(("| test |", "| --- |")):
            promises.append(line.strip("| ").rsplit(" | ", 1)[1])
    assert len(promises) > 10
    assert [promise for promise in promises if not (_TEST.search(promise) or "the same" in promise)] == []


@every_page
def test_every_file_that_is_named_is_there(page: Path) -> None:
    named = {path for code in code_of(page) for path in _PATH.findall(code)}
    wanted = [name for name in named if not (_TEST.search(name) or name.startswith(_MADE_BY_THE_READER))]
    assert [name for name in wanted if not (ROOT / name).exists()] == []


@every_page
def test_every_target_of_make_is_there(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z0-9-]*):", makefile, flags=re.MULTILINE))
    named = {found[1] for code in code_of(page) if (found := re.match(r"make ([a-z][a-z0-9-]*)", code))}
    assert named - targets == set()


def ansible_words() -> set[str]:
    """All that is a word in a playbook, a role or an inventory."""
    files = [path for name in ("ansible", "inventory") for path in (ROOT / name).rglob("*.yml")]
    return {word for path in files for word in re.findall(r"\w+", path.read_text(encoding="utf-8"))}


@every_page
def test_playbooks_know_every_setting(page: Path) -> None:
    named = {name for code in code_of(page) for name in re.findall(r"-e \"?(\w+)=", code)}
    assert named - ansible_words() == set()


@pytest.mark.parametrize("page", ["setup", "local-lab"])
def test_playbooks_know_every_variable_of_an_inventory(page: str) -> None:
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    table = text.partition("| variable | default | meaning |\n")[2].partition("\n\n")[0]
    named = {name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert len(named) > 5
    assert named - ansible_words() == set()


def test_every_field_that_is_recorded_is_explained() -> None:
    text = (ROOT / "docs" / "measuring.md").read_text(encoding="utf-8")
    explained = set(re.findall(r"`(\w+)`", text))
    telemetry = {field.name for field in msgspec.structs.fields(TelemetrySample)} - {"at_s"}
    assert {*(HOP.names or ()), *(ENDPOINT.names or ()), *telemetry} - explained == set()
