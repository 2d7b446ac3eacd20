"""A device that changed during a sweep: what the page, its tables, concerns, answers and a comparison say."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.comparison.pairs import Side
from analysis.comparison.writing import environment_differences
from analysis.data.sweep import Sweep, load
from analysis.fronts.answers import all_answers
from analysis.report.concerns import concerns
from analysis.report.page import render
from analysis.report.tables import page_tables
from analysis.study import Study
from controller.results import FoundDevices, Store
from tests.results_files import edited
from tests.unit.analysis.synthetic import AT, Physics, write_sweep

LATER = {"kernel": "6.6.0", "governor": "performance"}
LAN = Physics(networks={"lan": (20.0, 0.005)})


def changed_sweep(
    path: Path, trials: str = "FALSE", baselines: str = "FALSE", *, physics: Physics = LAN
) -> Sweep:
    """A sweep whose server has another kernel and governor in trials and baselines by a condition in SQL."""
    write_sweep(path, physics=physics, cuts=(0, 12, 24, 60))
    with Store.append(path) as store:
        pi, server = store.devices()
        number = store.add_environment(AT, {}, [pi, replace(server, stamp={**server.stamp, **LATER})])
    with edited(path) as db:
        db.execute(f"UPDATE trial SET environment = {number} WHERE {trials}")
        db.execute(f"UPDATE baseline SET environment = {number} WHERE {baselines}")
    return load(path)


def told(sweep: Sweep) -> list[tuple[str, str]]:
    return [(each.weight, each.text) for each in concerns(sweep) if "changed after trial" in each.text]


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """The last of three blocks ran after the change."""
    return changed_sweep(tmp_path_factory.mktemp("changed") / "r.sqlite", "number = 2", "number = 2")


def test_the_concern_says_what_changed_after_which_trial_and_that_figures_mix_both(changed: Sweep) -> None:
    assert told(changed) == [
        (
            "grave",
            "server changed after trial 16 of 24: governor from null to performance and kernel from "
            "6.1.0-25-amd64 to 6.6.0. Figures under lan mix trials before and after; certainty and ties rest "
            "on differences within each part alone.",
        )
    ]


def test_the_page_shows_each_description_with_its_trials(changed: Sweep) -> None:
    page = render(Study.of(changed), {})
    section = page[page.index('<section id="environment">') :]
    summaries = re.findall(r"<summary>(.*?)</summary>", section)
    assert summaries[:3] == [
        "All that is known of pi",
        "All that is known of server in environment 1 (16 trials)",
        "All that is known of server in environment 2 (8 trials)",
    ]
    assert summaries[3].startswith("Environment 1, ")
    stamps = section.split("<summary>")[2:4]
    assert "6.1.0-25-amd64" in stamps[0] and "6.6.0" not in stamps[0]
    assert "6.6.0" in stamps[1] and "6.1.0-25-amd64" not in stamps[1]
    assert section.count("Devices that changed during the sweep") == 1


def test_the_table_of_changes_has_each_value(changed: Sweep) -> None:
    rows = dict(page_tables(Study.of(changed)))["changes"]
    assert rows.to_dict("records") == [
        {
            "device": "server",
            "after_trial": 16,
            "environment": 2,
            "what": name,
            "before": before,
            "after": after,
        }
        for name, before, after in (
            ("governor", "null", "performance"),
            ("kernel", "6.1.0-25-amd64", "6.6.0"),
        )
    ]


def test_a_call_with_the_same_devices_changes_nothing(tmp_path: Path) -> None:
    path = write_sweep(tmp_path / "r.sqlite", physics=LAN, cuts=(0, 12, 60))
    before = load(path)
    with Store.append(path) as store:
        pi, server = store.devices()
        store.add_environment(AT, {}, [pi, replace(server, stamp={**server.stamp, "temperature_c": 60.0})])
    with edited(path) as db:
        db.execute("UPDATE trial SET environment = 2 WHERE number = 2")
    after = load(path)
    assert told(after) == []
    page = render(Study.of(after), {})
    assert "Sweep call 2" in page and "that changed during" not in page
    assert page.count("<summary>All that is known of server</summary>") == 1
    assert [a.probability for a in all_answers(after)] == [a.probability for a in all_answers(before)]


def test_networks_on_both_sides_of_a_change_are_not_mixed_but_not_comparable(tmp_path: Path) -> None:
    physics = Physics(networks={"lan": (20.0, 0.005), "wan": (2.0, 0.040)})
    of_wan = "cell IN (SELECT id FROM cell WHERE network = 'wan')"
    ((weight, text),) = told(changed_sweep(tmp_path / "r.sqlite", of_wan, physics=physics))
    assert weight == "note"
    assert text.endswith("No network has trials on both sides, so networks cannot be compared.")


def test_a_change_without_trials_behind_it_is_no_concern(tmp_path: Path) -> None:
    assert told(changed_sweep(tmp_path / "r.sqlite")) == []


def test_a_block_that_a_change_divides_compares_splits_only_within_each_part(tmp_path: Path) -> None:
    stay = "number = 1 AND cell IN (SELECT id FROM cell WHERE cuts = '[60]')"
    sweep = changed_sweep(tmp_path / "r.sqlite", f"{stay} OR number = 2", "number = 2")
    blocks = {t.block for c in sweep.cells for t in c.trials}
    assert len(blocks) == 4, "blocks 0 and 1, and what of 1 and 2 ran after"
    by_cut = {c.cell.cuts: {t.block for t in c.trials} for c in sweep.cells if c.cell.depth == 1}
    assert by_cut[(12,)] == by_cut[(24,)] != by_cut[(60,)]
    assert by_cut[(12,)] & by_cut[(60,)] == {0, max(blocks)}


def test_splits_measured_on_two_sides_alone_are_not_compared(tmp_path: Path) -> None:
    after = "cell IN (SELECT id FROM cell WHERE cuts IN ('[0]', '[12]'))"
    sweep = changed_sweep(tmp_path / "r.sqlite", after)
    for answer in all_answers(sweep):
        assert answer.probability is None and answer.ties == ()
        states = {c.cell.cuts: {t.environment for t in c.trials} for c in sweep.cells}
        for gain in answer.gains:
            if gain.over in ("stay", "offload"):
                other = (60,) if gain.over == "stay" else (0,)
                apart = states[other] != states[answer.point.cell.cuts]
                assert (gain.factor.value is None) is apart


def test_a_comparison_names_every_value_that_a_device_had(changed: Sweep) -> None:
    one = replace(changed, found=FoundDevices({1: [*changed.found.by_environment[1].values()]}))
    differences = environment_differences(Side("a", one, None), Side("b", changed, None))
    assert ("server.kernel", "6.1.0-25-amd64", "6.1.0-25-amd64 then 6.6.0") in differences
