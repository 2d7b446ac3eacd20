"""The report: whole, self-contained, and plain about what it is and what it lacks."""

import csv
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analysis.data.sweep import Sweep, load
from analysis.errors import OutputError
from analysis.report import Report, write_report
from analysis.report.concerns import concerns
from analysis.report.disclosure import measured_on
from analysis.report.page import render
from analysis.report.summary import HEADS
from analysis.report.tables import page_tables
from analysis.report.words import answer_sentences, conditions
from analysis.study import Study
from controller.results import Accuracy, FoundDevices, Look, MeasuredLink, Profiling, Scope, Store
from tests.unit.analysis.synthetic import AT, Physics, manifest, write_sweep

_TABLES = (
    "pareto",
    "fronts",
    "splits",
    "nodes",
    "parts",
    "links",
    "networks",
    "drift",
    "voids",
    "codecs",
) + (
    "accuracy",
    "devices",
    "changes",
)


def _text(sweep: Sweep) -> str:
    """The text of a sweep's report, without its figures."""
    return _plain(render(Study.of(sweep), {}))


def _plain(html: str) -> str:
    """A page's text, without markup and scripts."""
    html = re.sub(r"<(script|style)\b.*?</\1>", "", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_everything_is_written(report: Report) -> None:
    out = report.page.parent
    assert {p.name for p in out.iterdir()} == {
        "report.html",
        *(f"{table}.csv" for table in _TABLES),
        "cells.csv",
        "answers.tex",
        "answers.json",
        "figures",
    }
    assert len(list((out / "figures").glob("*.svg"))) == 17
    for drawn in (out / "figures").glob("*.svg"):
        width = float(drawn.read_text().split('width="', 1)[1].split('"', 1)[0].removesuffix("px"))
        assert width <= 252, f"{drawn.name} is wider than a column of a two-column paper"
    assert len(json.loads((out / "answers.json").read_text())) == 6


def test_the_pages_own_tables_say_what_it_says(other: Callable[..., Sweep], tmp_path: Path) -> None:
    found = replace(
        other(voids=(12,)),
        links=(
            MeasuredLink(
                "wifi",
                "pi",
                "server",
                {"rate_mbit": 20.0},
                {"rate_mbit": 19.9, "tcp_mbit": 19.1, "filled": True},
                "2026-03-01T10:30:00+00:00",
            ),
        ),
    )
    for name, rows in page_tables(Study.of(found)):
        rows.to_csv(tmp_path / f"{name}.csv", index=False)

    def table(name: str) -> list[dict[str, str]]:
        with (tmp_path / f"{name}.csv").open() as file:
            return list(csv.DictReader(file))

    parts = table("parts")
    assert len(parts) == sum(len(group.breakdowns) for group in Study.of(found).groups)
    for row in parts:
        stages = (value for part in ("wait_s", "codec_s", "compute_s") for value in row[part].split(";"))
        total = sum(float(value.split("=")[1]) for value in stages)
        total += float(row["network_s"]) + float(row["source_s"])
        assert total == pytest.approx(float(row["total_s"]), rel=1e-4)
    assert {row["reason"] for row in table("voids")} == {"server: connection lost"}
    assert len(table("drift")) == 9 and len(table("networks")) == 3
    assert [row["device"] for row in table("devices")] == ["pi", "server"]
    (link,) = table("links")
    assert (link["rate_mbit_requested"], link["rate_mbit"], link["tcp_mbit"]) == ("20.0", "19.9", "19.1")
    assert table("codecs") == [] and len(table("accuracy")) == 5


def test_it_refers_to_nothing_outside_its_folder(page: str, report: Report) -> None:
    assert "default-src 'none'" in page
    own = re.sub(r"<script type=\"module\">.*?</script>", "", page, flags=re.DOTALL)
    beside = {p.name for p in report.page.parent.iterdir()}
    leads = re.findall(r"""(?:src|href)=["'](?!#|data:)([^"']*)""", own)
    assert leads and set(leads) <= beside, "links lead to the report's own files"
    assert not re.search(r"src=(?!.data:)|<link(?! rel=.icon)", own), "nothing is fetched"
    assert "@import" not in own and "url(" not in own


def test_a_local_lab_is_called_a_simulation(page: str) -> None:
    text = _plain(page)
    assert "Measured in a local lab with some devices emulated as slower and emulated links" in text
    assert "This is a simulation of such devices" in text
    assert "pi (each stage takes 10 times as long as alone at full speed)" in text


def test_real_devices_on_shaped_links_are_not(other: Callable[..., Sweep]) -> None:
    text = _text(other(kind="real", shaping="tc", slowdown=1.0))
    assert "Measured on real devices" in text
    assert "shaped by tc" in text
    assert "simulation" not in text


def test_a_good_sweep_raises_no_grave_concern(page: str) -> None:
    assert 'class="grave"' not in page
    assert "All requested trials are finished." in page
    assert "All 31 splits have the accuracy of the whole graph" in page


def test_an_interrupted_sweep_says_what_is_missing(other: Callable[..., Sweep]) -> None:
    text = _text(other(skip=(24,)))
    assert "incomplete: 72 trials finished, 18 missing; 6 of 30 cells have none" in text
    assert "Cells that lack trials (3 requested)" in text


def test_void_trials_are_listed_with_the_device(other: Callable[..., Sweep]) -> None:
    text = _text(other(voids=(12,)))
    assert "6 trials were void (devices named: server)" in text
    assert "server: connection lost" in text


def test_a_command_in_a_sentence_is_code(other: Callable[..., Sweep], tmp_path: Path) -> None:
    html = write_report(other(), tmp_path, ()).page.read_text(encoding="utf-8")
    assert "<code>edgecut selfcheck</code> checks" in html


def test_drift_above_the_limit_is_flagged(other: Callable[..., Sweep]) -> None:
    text = _text(other(drift=0.08))
    assert "server by up to +8.0%" in text
    assert "+8.0 %" in text and "+4.0 %" not in text, "those that are flagged"


def test_drift_is_grave_only_where_it_makes_an_answer_less_sure(other: Callable[..., Sweep]) -> None:
    study = Study.of(other(drift=0.08))
    (noted,) = [each for each in concerns(study.sweep, study.answers) if "Speed drifted" in each.text]
    assert noted.weight == "note"
    assert noted.text.endswith("the answers above take it into account and stay as sure.")
    first, *rest = study.answers
    assert first.probability is not None
    for probability in (first.probability - 0.02, None):
        answers = [replace(first, probability=probability), *rest]
        (grave,) = [each for each in concerns(study.sweep, answers) if "Speed drifted" in each.text]
        assert grave.weight == "grave"


def test_a_chain_that_disagrees_is_loud(other: Callable[..., Sweep]) -> None:
    text = _text(other(disagree_at=24))
    assert "does not have the accuracy of the whole graph at 1 split (cut 24)" in text
    assert "1 of 5 splits do not have the accuracy of the whole graph" in text


def test_untrained_and_unlabelled_is_said(other: Callable[..., Sweep]) -> None:
    text = _text(other(trained=False))
    assert "mobilenet_v2 is untrained" in text
    assert "Accuracy of mobilenet_v2 is null: its samples have no labels" in text


def test_the_first_screen_is_one_table_and_one_figure(page: str) -> None:
    first = page[page.index('id="answer"') : page.index("</section>", page.index('id="answer"'))]
    assert first.count("<table") == first.count("data-chart=") == 1
    heads = re.findall(r"<th[^>]*>([^<]+)</th>", first)
    assert heads == list(HEADS)
    assert first.count("<tr data-model") == 6
    assert "knee" not in first


def test_contents_lead_to_every_section(page: str) -> None:
    contents = page[page.index('class="contents"') : page.index("</nav>")]
    anchors = re.findall(r'href="#([^"]+)"', contents)
    assert {"mobilenet_v2-wifi", "payload", "method"} < set(anchors)
    own = re.sub(r"<(script|style)\b.*?</\1>", "", page, flags=re.DOTALL)
    for anchor in re.findall(r'href="#([^"]+)"', own):
        assert f'id="{anchor}"' in own, anchor


def test_how_a_baseline_differs_from_staying_is_said_once(page: str) -> None:
    assert _plain(page).count("plain ONNX Runtime loop on one device, without edgecut") == 1
    assert "The end “everything on pi” ( stay )" in _plain(page)


def test_the_page_says_which_objective_has_no_answer(other: Callable[..., Sweep]) -> None:
    text = _text(other(trained=False, objectives=("accuracy", "throughput")))
    assert text.count("No answer for accuracy: no split has a figure for it.") == 3


def test_one_trial_has_no_intervals_and_it_says_so(other: Callable[..., Sweep]) -> None:
    text = _text(other(trials=1))
    assert "One trial per cell: all intervals are null" in text
    assert "the spread of a repetition is unknown" in text


def test_too_few_requests_leave_no_front_and_it_says_so(other: Callable[..., Sweep]) -> None:
    text = _text(other(requests=(5, 5)))
    assert "No answer yet" in text
    assert "fewer than 11 requests" in text
    assert "No front: no cell has 11 requests a trial." in text


def test_names_from_the_lab_cannot_become_markup(other: Callable[..., Sweep], tmp_path: Path) -> None:
    hostile = "</script><img src=x onerror=alert(1)>"
    html = write_report(
        other(physics=Physics(networks={hostile: (20.0, 0.005)})), tmp_path, ("svg",)
    ).page.read_text(encoding="utf-8")
    assert hostile not in html
    data = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', html, flags=re.DOTALL)
    assert len(data) == 2 and not any("<" in each for each in data), "a comment would hide the script's end"
    assert len(list((tmp_path / "figures").iterdir())) == 7


def test_a_failure_leaves_the_older_report(
    other: Callable[..., Sweep], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "report.html").write_text("older")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("analysis.report.writing.answers_latex", full)
    with pytest.raises(OutputError, match="No space left on device"):
        write_report(other(cuts=(0, 60)), out, ("svg",))
    assert (out / "report.html").read_text() == "older"
    assert [p.name for p in out.iterdir()] == ["report.html"]


def test_links_are_shown_as_asked_against_as_measured(tmp_path: Path) -> None:
    results = write_sweep(tmp_path / "r.sqlite", cuts=(0, 24, 60), shaping="tc", kind="virtual")
    requested = {"round_trip_ms": 10.078, "rate_mbit": 20, "loss_percent": 0}
    measured = {"round_trip_ms": 10.61, "rate_mbit": 19.94, "loss_percent": 0.5, "lost": 5, "datagrams": 1000}
    lost = {"round_trip_ms": None, "rate_mbit": None, "loss_percent": 9.0, "lost": 90, "datagrams": 1000}
    with Store.append(results) as store:
        for at, found in (("2026-03-01T09:00:00", lost), ("2026-03-01T10:30:00", measured)):
            link = MeasuredLink("wifi", "pi", "server", requested, found | {"tcp_mbit": 19.1}, at)
            store.add(link)
        store.add(MeasuredLink("as_is", "server", "pi", {}, measured | {"tcp_mbit": 941.0}, at))

    text = _text(load(results))

    assert "Links, requested and measured by their workers" in text
    assert "wifi pi \N{RIGHTWARDS ARROW} server 10.1 10.6 20 19.9 - 0.5 (5 of 1000) 19.1" in text
    assert "90 of 1000" not in text
    assert "as_is server \N{RIGHTWARDS ARROW} pi - 10.6 - 19.9 - 0.5 (5 of 1000) 941" in text
    assert text.index("wifi pi \N{RIGHTWARDS ARROW}") < text.index("as_is server \N{RIGHTWARDS ARROW}")


def test_a_rate_that_no_sender_could_fill_is_not_told_as_the_links_own(tmp_path: Path) -> None:
    path = write_sweep(tmp_path / "r.sqlite", cuts=(0, 60))
    with Store.append(path) as store:
        found = {"rate_mbit": 102.0, "filled": False, "loss_percent": 0.0, "lost": 0, "datagrams": 9}
        store.add(MeasuredLink("lan", "pi", "server", {"rate_mbit": 1000.0}, found, AT))
    assert "1000 102, all that was sent" in _text(load(path))


def test_conditions_are_told_forward_first() -> None:
    told = conditions({"backward": {"delay_ms": 1.0, "rate_mbit": 30.0}, "forward": {"delay_ms": 2.0}})
    assert told.index("forward") < told.index("backward")


def test_only_columns_that_differ_are_in_the_tables_of_points(page: str) -> None:
    heads = re.findall(r"<caption>Hypervolume[^<]*</caption>\s*<thead>(.*?)</thead>", page)
    assert heads
    assert not any("batch" in head or "devices" in head or "codec" in head for head in heads)


def test_a_sweep_without_measured_links_shows_none(page: str) -> None:
    assert "requested and measured" not in page


def test_accuracies_over_different_samples_are_not_to_be_compared(tmp_path: Path) -> None:
    path = write_sweep(tmp_path / "r.sqlite", cuts=(0, 12, 60))
    said = "Accuracies are over different samples"
    assert not any(said in concern.text for concern in concerns(load(path)))
    with Store.append(path) as store:
        other = manifest() | {"model": "alexnet", "dataset": "digits", "seed": 5}
        store.add_bundle("c" * 64, "alexnet", json.dumps(other))
        store.add(Accuracy("c" * 64, (0,), 128, 0.9, 0.9, 0.0))
    (text,) = [concern.text for concern in concerns(load(path)) if said in concern.text]
    assert text.endswith("mobilenet_v2 on digits (seed None); alexnet on digits (seed 5).")


def test_why_blocks_ended_and_how_sure_the_least_sure_answer_is_are_said(tmp_path: Path) -> None:
    path = write_sweep(tmp_path / "r.sqlite", cuts=(0, 12, 60))
    with Store.append(path) as store:
        store.add(Look("lan", 3, ("a" * 64,), 0.6), Look("lan", 4, (), 0.978, "sure"))
        store.add(Look("wifi", 9, (), 0.71, "most trials"), Look("wan", 4, (), 0.973, "sure"))
    texts = [concern.text for concern in concerns(load(path)) if "the sweep ran" in concern.text]
    assert sorted(texts) == [
        "Under lan and wan the sweep ran 4 blocks: every answer is as sure as the experiment asks. "
        "The least sure answer is 97 % sure.",
        "Under wifi the sweep ran 9 blocks: that is the most the experiment allows. "
        "The least sure answer is 71 % sure.",
    ]


def test_what_was_chosen_and_what_it_was_chosen_from_is_said(tmp_path: Path) -> None:
    path = write_sweep(tmp_path / "r.sqlite", cuts=(0, 12, 60))
    with Store.append(path) as store:
        store.add(Scope("lan", "planned", 60, "front stands", {"b" * 64: 30}))
        store.add(Scope("wifi", "time budget", 6, "all measured"))
        store.add(Scope("wan", "time budget", 40, "time spent"))
        store.add(Profiling("b" * 64, 1, 0, 81.4, "{}"))
    texts = [concern.text for concern in concerns(load(path)) if concern.weight == "note"]
    (planned,) = [text for text in texts if "Under lan" in text]
    assert "6 of 60 cells were measured, chosen by a planned search: by prediction no other" in planned
    (spent,) = [text for text in texts if "Under wan" in text]
    assert "6 of 40 cells were measured, chosen by a time budget: the time budget is used up" in spent
    assert not any("Under wifi" in text for text in texts)
    assert any("took another 81 s" in text for text in texts)


def test_how_sure_an_answer_is_says_of_how_many_splits(tmp_path: Path) -> None:
    path = write_sweep(tmp_path / "r.sqlite", cuts=(0, 12, 60))
    with Store.append(path) as store:
        (bundle,) = load(path).manifests
        store.add(Scope("wifi", "planned", 60, "front stands", {bundle: 30}))
        store.add(Scope("wan", "time budget", 40, "time spent"))
    fastest = [a for a in Study.of(load(path)).answers if a.objective == "latency"]
    told = {a.network.name: " ".join(answer_sentences(a)[1]) for a in fastest}
    assert "sure to be within 2 % of the best of all 3 splits." in told["lan"]
    assert "within 2 % of the best of the 3 of 30 splits that were measured." in told["wifi"]
    assert "within 2 % of the best of the 3 splits that were measured." in told["wan"]


def test_the_only_split_that_was_measured_is_called_so(other: Callable[..., Sweep]) -> None:
    sweep = other(cuts=(0, 12, 60), skip=(0, 60))
    (answer,) = (a for a in Study.of(sweep).answers if (a.network.name, a.objective) == ("lan", "latency"))
    assert answer.probability == 1.0
    assert "whether it is the best is unknown" in " ".join(answer_sentences(answer)[1])


def test_a_device_that_stayed_away_later_is_told_of_all_the_same(tmp_path: Path) -> None:
    path = write_sweep(tmp_path / "r.sqlite", cuts=(0, 60), kind="real", slowdown=1.0, shaping="tc")
    with Store.append(path) as store:
        _, server = store.devices()
        store.add_environment(AT, {}, [replace(server, name="desk", kind="local")])
    banner = measured_on(load(path))
    assert banner.sentences[0] == (
        "Devices: 2 real devices and 1 worker process on one and the same machine (pi, server, desk)."
    )
    assert banner.simulated, "whichever call it was that had it"


def test_namespaces_on_links_of_the_kernel_are_a_simulation(tmp_path: Path) -> None:
    path = write_sweep(tmp_path / "r.sqlite", cuts=(0, 60), kind="namespace", slowdown=1.0, shaping="tc")
    banner = measured_on(load(path))
    assert (banner.headline, banner.simulated) == ("Measured in a lab of network namespaces", True)
    assert "2 worker processes in network namespaces of one and the same machine" in banner.sentences[0]


def test_planted_times_are_disclosed_before_anything_else(tmp_path: Path) -> None:
    path = write_sweep(tmp_path / "r.sqlite", cuts=(0, 60), kind="planted", slowdown=1.0, shaping="tc")
    sweep = load(path)
    devices = tuple(replace(d, stamp={**d.stamp, "device": "planted", "kind": "real"}) for d in sweep.devices)
    banner = measured_on(replace(sweep, found=FoundDevices({1: devices})))
    assert banner.headline == "Measured on devices with planted times"
    assert banner.simulated
    assert (
        "compute nothing and take the times that the experiment states, on devices of kind real"
        in " ".join(banner.sentences)
    )


@pytest.mark.parametrize(
    ("checked", "weight", "says"),
    [
        (None, "note", "No selfcheck of this lab backs these figures"),
        ({"network": None, "figures": 4, "wrong": []}, "note", "(devices, no links): all 4 figures hold."),
        (
            {"network": "wifi", "figures": 8, "wrong": ["pi: a stage that computes takes 33 ms"]},
            "grave",
            "(devices, its links under wifi): pi: a stage that computes takes 33 ms.",
        ),
    ],
)
def test_what_the_labs_selfcheck_found_is_said(
    tmp_path: Path, checked: dict[str, Any] | None, weight: str, says: str
) -> None:
    path = write_sweep(tmp_path / "r.sqlite", cuts=(0, 12, 60))
    told = checked and {"taken_at": "2026-01-01T10:00:00", **checked}
    with Store.append(path) as store:
        store.add_environment("2026-01-01T11:00:00", {"selfcheck": told}, [])
    (concern,) = [concern for concern in concerns(load(path)) if "selfcheck of" in concern.text]
    assert concern.weight == weight
    assert says in concern.text
