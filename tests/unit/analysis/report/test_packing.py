"""What a page holds of figures and cards: each row of data once, and nothing lost."""

import json
from typing import Any

from analysis.data.sweep import Sweep
from analysis.figures import LAYOUTS, figures_of
from analysis.report.packing import packed_figures, packed_rows
from analysis.study import Study


def _unpacked(table: dict[str, Any]) -> list[dict[str, Any]]:
    """As charts.js has it."""

    def place(column: Any, row: int) -> int:
        places: list[int] = column.get("at") or [0] * table["rows"]
        return places[row]

    def value(column: Any, row: int) -> Any:
        return column[row] if isinstance(column, list) else column["of"][place(column, row)]

    def has(column: Any, row: int) -> bool:
        return isinstance(column, list) or place(column, row) >= 0

    columns = table["columns"]
    return [
        {name: value(column, row) for name, column in columns.items() if has(column, row)}
        for row in range(table["rows"])
    ]


def test_rows_come_back_whatever_their_columns_hold() -> None:
    rows: list[dict[str, Any]] = [
        {"one": 1, "flag": True, "some": None, "text": "a", "list": ["x"]},
        {"one": 1, "flag": 1, "text": "b", "list": ["x"]},
        {"one": 1, "flag": False, "some": 2.0, "text": "c", "list": ["y"]},
    ]
    back = _unpacked(json.loads(json.dumps(packed_rows(rows))))
    assert json.dumps(back) == json.dumps(rows)
    assert packed_rows(rows)["columns"]["one"] == {"of": [1]}, "once, however many rows have it"


def test_numbers_keep_six_digits() -> None:
    assert _unpacked(packed_rows([{"ms": 1.23456789}, {"ms": 123456789.0}])) == [
        {"ms": 1.23457},
        {"ms": 123457000.0},
    ]


def test_a_page_states_rows_once_for_all_layouts_and_layers(sweep: Sweep) -> None:
    figures = figures_of(Study.of(sweep))
    name = "mobilenet_v2-wifi-busy"
    packed = packed_figures({name: figures[name]})
    layers = {layout.name: packed["figures"][name][layout.name]["layer"] for layout in LAYOUTS}
    used = {layout: [layer["data"]["values"] for layer in parts] for layout, parts in layers.items()}
    assert used["wide"] == used["narrow"]
    assert len(packed["tables"]) == len(set(used["wide"])) == 2, "the dashed line's row, and all the others"
    rows = figures[name](LAYOUTS[0])["layer"][1]["data"]["values"]
    assert [row["cell"] for row in _unpacked(packed["tables"][used["wide"][1]])] == [r["cell"] for r in rows]
