"""A table as LaTeX, for a paper: booktabs' rules, figures to four digits, names escaped."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

__all__ = ["latex", "write_table"]

_ESCAPES = {c: f"\\{c}" for c in "&%$#_{}"} | {"~": "\\textasciitilde{}", "^": "\\textasciicircum{}"}
_ESCAPES |= {"\\": "\\textbackslash{}", "\N{RIGHTWARDS ARROW}": "$\\rightarrow$"}
# In TeX's own font encoding these three print as other characters.
_ESCAPES |= {c: f"${c}$" for c in "|<>"}


def latex(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    """A `tabular` that needs the package booktabs; columns without any value are left out.

    Without rows it has every column's name.
    """
    used = [c for c in columns if not rows or any(_text(row.get(c)) for row in rows)]
    numbers = {c for c in used if all(_number(row.get(c)) for row in rows)}
    kinds = "".join("r" if c in numbers else "l" for c in used)
    lines = [f"\\begin{{tabular}}{{{kinds}}}", "\\toprule"]
    lines += [" & ".join(escaped(c.replace("_", " ")) for c in used) + " \\\\", "\\midrule"]
    lines += [" & ".join(_text(row.get(c)) for c in used) + " \\\\" for row in rows]
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", ""])


def write_table(folder: Path, name: str, table: pd.DataFrame) -> None:
    """Write NAME.csv and NAME.tex.

    Raises:
        OSError: One of them cannot be written.
    """
    table.to_csv(folder / f"{name}.csv", index=False)
    rows: list[dict[Any, Any]] = table.astype(object).where(table.notna(), None).to_dict("records")
    (folder / f"{name}.tex").write_text(latex(list(table.columns), rows), encoding="utf-8")


def escaped(text: str) -> str:
    """`text` with what LaTeX would take for commands written out."""
    return "".join(_ESCAPES.get(c, c) for c in text)


def _number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _text(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return f"{value:.4g}" if isinstance(value, float) else escaped(str(value))
