"""Two sides compared: what differs by more than noise, and what may not be compared at all."""

import csv
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.__main__ import main
from analysis.comparison import Side, compare, compare_table
from analysis.comparison.pairs import cell_in_other_names, in_the_names_of
from analysis.comparison.tables import summary_lines
from analysis.comparison.writing import environment_differences
from analysis.data.sweep import Sweep, load
from analysis.errors import ComparisonError
from analysis.fronts.fronts import front_of
from controller.experiment.planted import PlantedDevice, planted_text
from controller.results import FoundDevices
from tests.results_files import edited
from tests.unit.analysis.synthetic import BUNDLE, Physics, write_sweep

_CUTS = (0, 12, 24, 36, 60)
_SAME = Physics().networks


def _written(path: Path, **special: object) -> Path:
    return write_sweep(path, **({"cuts": _CUTS, "drift": 0.002} | special))  # type: ignore[arg-type]


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """The same lab before and after its server became twice as fast; trials are of the same noise."""
    faster = Physics(whole_s=(0.040, 0.002))
    return _written(tmp_path / "before.sqlite"), _written(tmp_path / "after.sqlite", physics=faster)


def _sides(pair: tuple[Path, Path]) -> tuple[Side, Side]:
    return tuple(Side(p.stem, load(p)) for p in pair)  # type: ignore[return-value]


def test_what_became_faster_is_better_and_what_did_not_is_a_tie(pair: tuple[Path, Path]) -> None:
    found = {
        (d.cell_a.cell.cuts, d.objective): d
        for d in compare(*_sides(pair)).differences
        if d.cell_a.cell.network == "lan" and d.cell_a.cell.depth == 1
    }
    assert found[(0,), "latency"].verdict == "better"
    assert found[(0,), "throughput"].verdict == "better"
    assert found[(60,), "latency"].verdict == "tie"
    factor = found[(0,), "latency"].factor
    assert factor.low is not None and factor.high is not None and factor.value is not None
    assert factor.low <= factor.value <= factor.high < 1


def test_over_all_cells_a_change_of_all_is_found_with_its_size(tmp_path: Path) -> None:
    slow, fast = (
        load(
            _written(
                tmp_path / f"{name}.sqlite", physics=Physics(whole_s=whole_s, networks={"lan": _SAME["lan"]})
            )
        )
        for name, whole_s in (("slow", (0.040, 0.004)), ("fast", (0.020, 0.002)))
    )
    overall = {o.objective: o for o in compare(Side("slow", slow), Side("fast", fast)).overall}
    latency = overall["latency"].factor
    assert latency.value == pytest.approx(0.5, abs=0.1)
    assert latency.value is not None and latency.low is not None and latency.high is not None
    assert latency.low <= latency.value <= latency.high < 1
    assert overall["latency"].counts["better"] == 2 * len(_CUTS)
    assert overall["payload"].factor.value == pytest.approx(1.0)


def test_a_verdict_is_by_the_rate_of_false_discoveries(pair: tuple[Path, Path]) -> None:
    found = [d for d in compare(*_sides(pair)).differences if d.objective in ("latency", "throughput")]
    assert {d.verdict for d in found} == {"better", "tie"}
    for d in found:
        assert d.p_adjusted is not None
        assert (d.p_adjusted > 0.05) is (d.verdict == "tie")
    assert [d.p_adjusted for d in compare(*_sides(pair)).differences if d.objective == "payload"][0] is None


def test_a_sweep_again_on_the_same_lab_is_no_difference_at_all(other: Callable[..., Sweep]) -> None:
    one = other(drift=0.0)
    found = compare(Side("one", one), Side("again", replace(one, path=one.path.with_name("again.sqlite"))))
    assert {d.verdict for d in found.differences} == {"tie"}
    assert all(m.a.point.cell.id == m.b.point.cell.id for m in found.moved)


def test_hypervolumes_are_compared_in_the_box_of_the_first(tmp_path: Path) -> None:
    """Under lan the best is to offload; a faster pi changes nothing but its own baseline, the box' corner."""
    faster_pi = Physics(whole_s=(0.020, 0.004))
    paths = _written(tmp_path / "a.sqlite"), _written(tmp_path / "b.sqlite", physics=faster_pi)
    a, b = _sides(paths)
    (found,) = [d for d in compare(a, b).dominated if d.networks == ("lan", "lan")]
    box, own_box = (side.sweep.box(BUNDLE, "lan") for side in (a, b))
    assert box is not None and own_box is not None
    assert found.box == box
    assert own_box.latency_s == pytest.approx(box.latency_s / 2, rel=0.1)
    own = [front_of(side.sweep, "capability", BUNDLE, "lan").hypervolume for side in (a, b)]
    assert found.a == own[0]
    assert found.b.value == pytest.approx(found.a.value, rel=0.02)
    assert (own[1].value or 1) < (found.b.value or 0) - 0.05, "its own box makes the same front look worse"


def test_without_a_box_of_the_first_no_hypervolumes_are_compared(tmp_path: Path) -> None:
    unfinished = Side("a", load(_written(tmp_path / "a.sqlite", skip=(0,))))
    whole = Side("b", load(_written(tmp_path / "b.sqlite")))
    found = compare(unfinished, whole)
    assert {(d.a.value, d.b.value) for d in found.dominated} == {(None, None)}
    assert any("none: A lacks an end or a baseline" in line for line in summary_lines(found))
    assert any("of A: " in line for line in summary_lines(compare(whole, unfinished)))


def test_one_trial_makes_all_unknown(other: Callable[..., Sweep]) -> None:
    found = compare(Side("a", other(trials=1)), Side("b", other()))
    timed = [d for d in found.differences if d.objective == "latency"]
    assert {d.verdict for d in timed} == {"unknown"}
    assert all(o.factor.low is None for o in found.overall if o.objective == "latency")


def test_two_profiles_of_one_file_are_compared_cell_by_cell(sweep: Sweep) -> None:
    found = compare(Side("lan", sweep, "lan"), Side("wan", sweep, "wan"))
    assert {(d.cell_a.cell.network, d.cell_b.cell.network) for d in found.differences} == {("lan", "wan")}
    assert all(d.cell_a.cell.cuts == d.cell_b.cell.cuts for d in found.differences)
    stay = [d for d in found.differences if d.cell_a.cell.cuts == (60,) and d.objective == "latency"]
    assert [d.factor.value for d in stay] == pytest.approx([1, 1], abs=0.03), "nothing crosses the network"
    assert {(m.a.network.name, m.b.network.name) for m in found.moved} == {("lan", "wan")}


def test_another_bundle_is_refused(pair: tuple[Path, Path]) -> None:
    a, b = _sides(pair)
    retrained = replace(b.sweep, manifests={"cd" * 32: b.sweep.manifests[BUNDLE]})
    with pytest.raises(ComparisonError, match=f"mobilenet_v2 {BUNDLE[:12]}; mobilenet_v2 cdcdcdcdcdcd"):
        compare(a, Side("after", retrained))


def test_a_profile_that_asks_for_something_else_is_refused_unless_named(tmp_path: Path) -> None:
    slower = Physics(networks={"wifi": (10.0, 0.005)})
    files = [
        _written(tmp_path / "a.sqlite", physics=Physics(networks={"wifi": _SAME["wifi"]})),
        _written(tmp_path / "b.sqlite", physics=slower),
    ]
    a, b = (Side(f.stem, load(f)) for f in files)
    with pytest.raises(ComparisonError, match=r"network wifi is not the same .*rate_mbit: 20.0, 10.0"):
        compare(a, b)
    assert compare(replace(a, network="wifi"), replace(b, network="wifi")).differences


def test_no_cell_in_common_says_what_it_is(tmp_path: Path) -> None:
    a = Side("a", load(_written(tmp_path / "a.sqlite", cuts=(0, 12))))
    b = Side("b", load(_written(tmp_path / "b.sqlite", cuts=(24, 60))))
    with pytest.raises(ComparisonError, match="cuts 0, 12 in the one, 24, 60 in the other"):
        compare(a, b)
    c = Side("c", load(_written(tmp_path / "c.sqlite", cuts=(0, 12), shaping="tc")))
    with pytest.raises(ComparisonError, match="shaping emulated in the one, tc in the other"):
        compare(a, c)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["A"], "has nothing beside it; name another file, or --networks X,Y"),
        (["A", "A"], "compared with itself"),
        (["A", "A", "A"], "3 results files"),
        (["A", "--networks", "wifi"], "name two networks"),
        (["A", "--networks", "wifi,moon"], "no network 'moon'; it has lan, wifi, wan"),
        (["A", "gone.sqlite"], "gone.sqlite: no such results file"),
    ],
)
def test_refusals_are_one_line(
    tmp_path: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    results = _written(tmp_path / "a.sqlite", cuts=(0, 60))
    assert main(["compare", *(str(results) if a == "A" else a for a in arguments)]) == 2
    err = capsys.readouterr().err
    assert said in err and err.startswith("error: ") and err.count("\n") == 1


def test_a_terminal_a_table_and_a_page_say_the_same(
    pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["compare", *map(str, pair), "--out", str(out), "--figures", "svg"]) == 0
    said = capsys.readouterr().out
    assert "latency p50" in said and "largest differences" in said and str(out / "compare.html") in said
    with (out / "compare.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(compare_table(compare(*_sides(pair))))
    better = [r for r in rows if r["verdict"] == "better"]
    html = (out / "compare.html").read_text(encoding="utf-8")
    assert f"The {len(better) + sum(r['verdict'] == 'worse' for r in rows)} differences beyond noise" in html
    own = re.sub(r"<script type=\"module\">.*?</script>", "", html, flags=re.DOTALL)
    assert not re.search(r"""(src|href)=["'](?!#|data:)""", own)
    assert sorted(p.name for p in out.glob("*")) == ["compare.csv", "compare.html", "figures"]
    assert len(list((out / "figures").iterdir())) == 6


def test_labs_whose_devices_have_other_names_are_compared_by_position(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = _written(tmp_path / "one.sqlite")
    other = _written(tmp_path / "other.sqlite", devices=("rpi4", "server"))
    assert main(["compare", str(one), str(other), "--out", str(tmp_path / "out"), "--figures", ""]) == 0
    said = capsys.readouterr().out
    assert "Devices are matched by their position in the lab: pi in A is rpi4 in B." in said
    with (tmp_path / "out" / "compare.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["verdict"] for row in rows} == {"tie"}, "the same trials under another name"
    assert "everything on pi" in said and "moved" not in said
    html = (tmp_path / "out" / "compare.html").read_text(encoding="utf-8")
    assert "<th>pi.name</th><td>pi</td><td>rpi4</td>" in html
    assert "<th>pi.slowdown</th>" not in html and "<th>rpi4." not in html


def test_equal_names_are_matched_before_positions_and_planted_times_go_with_their_devices(
    tmp_path: Path,
) -> None:
    a = Side("a", load(_written(tmp_path / "a.sqlite")))
    b = in_the_names_of(a, Side("b", load(_written(tmp_path / "b.sqlite", devices=("server", "rpi4")))))
    assert b.known_as == {"rpi4": "pi"}
    times = {"server": PlantedDevice(node_ms=1.5), "rpi4": PlantedDevice(node_ms=(1.0, 2.0))}
    cell = replace(b.cells()[0].cell, planted=planted_text(times))
    renamed = cell_in_other_names(b, cell)
    assert renamed.devices == ("server", "pi")
    assert renamed.planted == planted_text({"server": times["server"], "pi": times["rpi4"]})


def test_what_else_differs_is_listed(pair: tuple[Path, Path], tmp_path: Path) -> None:
    with edited(pair[1]) as db:
        db.execute("UPDATE device SET stamp = replace(stamp, '6.1.0-25-amd64', '6.12.1')")
    assert main(["compare", *map(str, pair), "--out", str(tmp_path), "--figures", ""]) == 0
    html = (tmp_path / "compare.html").read_text(encoding="utf-8")
    assert "<th>server.kernel</th><td>6.1.0-25-amd64</td><td>6.12.1</td>" in html
    assert "onnxruntime</th>" not in html


def test_another_version_of_onnxruntime_is_told_and_another_clock_is_not(pair: tuple[Path, Path]) -> None:
    a, b = _sides(pair)
    devices = tuple(replace(d, stamp={**d.stamp, "frequency_mhz": 1500.0}) for d in a.sweep.devices)
    later = tuple(
        replace(d, stamp={**d.stamp, "frequency_mhz": 1800.0, "onnxruntime": "1.32.0"})
        for d in b.sweep.devices
    )
    told = environment_differences(
        replace(a, sweep=replace(a.sweep, found=FoundDevices({1: devices}))),
        replace(b, sweep=replace(b.sweep, found=FoundDevices({1: later}))),
    )
    assert told == [(f"{name}.onnxruntime", "1.31.1", "1.32.0") for name in ("pi", "server")]
