"""What tells the bundles of a sweep apart."""

from dataclasses import replace

import pytest

from analysis.data.sweep import Sweep
from tests.unit.analysis.synthetic import AT, manifest

_ONE, _OTHER, _THIRD = ("a" * 64, "b" * 64, "c" * 64)


@pytest.mark.parametrize(
    ("folders", "titles"),
    [
        ({_ONE: "small", _OTHER: "large"}, ["small", "large", "alexnet"]),
        ({_ONE: "x", _OTHER: "x"}, ["mobilenet_v2 (aaaaaaaa)", "mobilenet_v2 (bbbbbbbb)", "alexnet"]),
        ({_ONE: "alexnet", _OTHER: "large"}, ["mobilenet_v2 (aaaaaaaa)", "large", "alexnet"]),
        ({}, ["mobilenet_v2 (aaaaaaaa)", "mobilenet_v2 (bbbbbbbb)", "alexnet"]),
    ],
)
def test_bundles_of_one_model_have_their_folders_names_where_these_differ(
    sweep: Sweep, folders: dict[str, str], titles: list[str]
) -> None:
    several = replace(
        sweep,
        manifests={_ONE: manifest(), _OTHER: manifest(), _THIRD: manifest() | {"model": "alexnet"}},
        environments=((1, AT, {"bundles": folders}),),
    )
    assert [several.title(bundle) for bundle in several.manifests] == titles
