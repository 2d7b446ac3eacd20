"""A study's names: no two figures or places of a page share one."""

from pathlib import Path

from analysis.data.sweep import load
from analysis.study import Study, distinct_stem
from tests.unit.analysis.synthetic import Physics, write_sweep


def test_networks_whose_names_differ_in_other_characters_have_anchors_of_their_own(tmp_path: Path) -> None:
    link = (1000.0, 0.0002)
    physics = Physics(networks={"lan x": link, "lan-x": link, "all": link})
    study = Study.of(load(write_sweep(tmp_path / "r.sqlite", physics=physics, cuts=(0, 12, 60))))
    (model,) = study.models
    anchors = [group.anchor for group in study.groups]
    assert anchors[0] == "mobilenet_v2-lan-x"
    assert len({*anchors, model.anchor, f"{model.anchor}-all"}) == 5


def test_where_words_are_divided_makes_a_difference() -> None:
    taken: set[str] = set()
    assert distinct_stem(taken, "m", "lan-x") == "m-lan-x"
    assert distinct_stem(taken, "m-lan", "x").startswith("m-lan-x-")
