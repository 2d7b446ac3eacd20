"""The documented notebooks, run in their order in an empty folder, as a reader would."""

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[2] / "docs" / "notebooks"


def _read(path: Path) -> nbformat.NotebookNode:
    notebook: nbformat.NotebookNode = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    return notebook


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """What the cells of each notebook gave; a cell that fails fails the test."""
    folder = tmp_path_factory.mktemp("notebooks")
    given = {}
    for name in ("first-answer", "figures-of-a-paper"):
        notebook = _read(NOTEBOOKS / f"{name}.ipynb")
        NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(folder)}}).execute()
        given[name] = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return given


def test_a_first_answer_shows_a_table_and_figures(outputs: dict[str, list[Any]]) -> None:
    shown = [output["data"] for output in outputs["first-answer"] if "data" in output]
    assert any("probability_best" in data.get("text/html", "") for data in shown)
    assert sum("image/svg+xml" in data for data in shown) == 2
    assert [output for output in outputs["first-answer"] if output.get("name") == "stderr"] == []


def test_a_paper_has_its_figures(outputs: dict[str, list[Any]]) -> None:
    printed = "".join(output.get("text", "") for output in outputs["figures-of-a-paper"])
    assert "squeezenet1_1-wifi-capability.pdf" in printed
    assert "squeezenet1_1-wifi-parts.pdf" in printed
    shown = [output["data"] for output in outputs["figures-of-a-paper"] if "data" in output]
    assert any("image/svg+xml" in data for data in shown)
    assert any("latency_ms" in data.get("text/html", "") for data in shown)


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path: Path) -> None:
    notebook = _read(path)
    assert [cell for cell in notebook.cells if cell.get("outputs") or cell.get("execution_count")] == []
