"""How recorded values are written: numbers as a person writes them, data as tables.

>>> quantity(10100), quantity(2.412345, "bits"), quantity(0.25, spec=".0%")
('10,100', '2.412 bits', '25%')
"""

from typing import Any

from tinygrad_rnn.book.figures import flattened
from tinygrad_rnn.book.record import Number, Table

ROWS = 40  # of a figure's data that a page shows; all of them are a click away
COLUMNS = 12

Grid = tuple[str, list[str], list[Any]]


def quantity(value: Number | str, unit: str = "", spec: str = "") -> str:
    """A value as a person writes it: thousands in groups, four significant digits."""
    if isinstance(value, str):
        number = value
    else:
        number = format(value, spec or ("," if isinstance(value, int) else ".4g"))
    return f"{number} {unit}".strip()


def as_markdown(table: Table) -> str:
    """A table in Markdown; columns that hold only numbers are aligned to the right."""
    columns = range(len(table.columns))
    numeric = [all(not isinstance(row[i], str) for row in table.rows) for i in columns]
    ruler = ["---:" if right else "---" for right in numeric]
    rows = [[quantity(cell) for cell in row] for row in table.rows]
    return "".join(f"| {' | '.join(row)} |\n" for row in [table.columns, ruler, *rows])


def thinned(rows: list[Any]) -> list[Any]:
    """At most `ROWS` of the rows, evenly spread, the first and the last among them."""
    if len(rows) <= ROWS:
        return rows
    return [rows[round(i * (len(rows) - 1) / (ROWS - 1))] for i in range(ROWS)]


def tables(data: Any) -> list[Grid]:
    """A figure's data as tables, each with a title, headings and rows.

    Series of one length stand side by side, single values one below the other, and a matrix in a
    table of its own. What has more axes, or more columns than a page is wide, is left to the file.
    """
    values: list[Any] = []
    series: dict[tuple[str, int], dict[str, list[Any]]] = {}
    found: list[Grid] = []
    for key, leaf in flattened(data).items():
        group, _, name = key.rpartition(".")
        if not isinstance(leaf, list):
            values.append([key, leaf])
        elif not leaf or not isinstance(leaf[0], list):
            series.setdefault((group, len(leaf)), {})[name] = leaf
        elif len(leaf[0]) <= COLUMNS and leaf[0] and not isinstance(leaf[0][0], list):
            headings = ["", *(str(i) for i in range(len(leaf[0])))]
            found.append((key, headings, [[i, *row] for i, row in enumerate(leaf)]))
    for (group, _), columns in series.items():
        found.append((group, list(columns), list(zip(*columns.values(), strict=True))))
    return ([("", ["name", "value"], values)] if values else []) + found
