"""`import edgecut`: what it promises to who reads it."""

import inspect
import re
from pathlib import Path

import pytest

import edgecut
from controller.errors import LabError

ROOT = Path(__file__).parents[2]

FUNCTIONS = [name for name in edgecut.__all__ if inspect.isfunction(getattr(edgecut, name))]


def test_names_are_sorted_and_all_there() -> None:
    assert sorted(edgecut.__all__, key=lambda name: (not name[0].isupper(), name)) == edgecut.__all__
    assert [name for name in edgecut.__all__ if not hasattr(edgecut, name)] == []
    assert set(edgecut.__all__) <= set(dir(edgecut))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_docstring_describes_each_argument_and_what_is_raised(name: str) -> None:
    function = getattr(edgecut, name)
    text = inspect.getdoc(function) or ""
    assert "Raises:" in text
    documented = set(re.findall(r"^    (\w+): ", text, re.MULTILINE))
    parameters = set(inspect.signature(function).parameters)
    assert documented - {"ControllerError", "AnalysisError", "ExporterError"} == parameters


@pytest.mark.parametrize("kind", [edgecut.Results, edgecut.Figure, edgecut.CellRun])
def test_a_docstring_describes_each_public_member(kind: type) -> None:
    members = {name: member for name, member in vars(kind).items() if not name.startswith("_")}
    assert [name for name, member in members.items() if not inspect.getdoc(member)] == []


def test_the_documented_script_is_the_one_that_runs() -> None:
    script = (ROOT / "docs" / "examples" / "first_answer.py").read_text(encoding="utf-8")
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    assert f"```python\n{script}```" in page
    assert len(script.splitlines()) <= 25


def test_a_lab_needs_a_device() -> None:
    with pytest.raises(LabError, match="name at least one device"), edgecut.local_lab({}):
        pass
