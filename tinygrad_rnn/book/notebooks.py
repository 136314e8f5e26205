"""Turn a script into a notebook: one way, when the site is built."""

import re

from tinygrad_rnn.book.contents import Entry

MARKER = re.compile(r"^\s*# --8<-- \[(start|end):[\w-]+\]\s*$")
ANNOTATION = re.compile(r"\s+# \(\d+\)!?$")
BOOK_ONLY = "record"  # the tag of a cell that only serves the page


def notebook(entry: Entry) -> str:
    """A script as a notebook's JSON, without what only the page needs.

    Region markers, code annotations and cells tagged `record` are left out. Equal scripts give
    equal notebooks, to the byte.
    """
    import jupytext

    script = without_markers(entry.script.read_text("utf-8"))
    opening = "" if script.startswith("# %%") else "# %%\n"
    book = jupytext.reads(_preamble(entry) + opening + script, fmt="py:percent")
    book.cells = [c for c in book.cells if BOOK_ONLY not in c.metadata.get("tags", [])]
    for i, cell in enumerate(book.cells):
        cell.id = f"cell-{i}"  # which would otherwise be drawn at random
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    book.metadata = {"kernelspec": kernel}
    return str(jupytext.writes(book, fmt="ipynb"))


def _preamble(entry: Entry) -> str:
    return (
        f"# %% [markdown]\n# *Made from `{entry.script.name}`; needs `tinygrad_rnn` with its "
        f"`[book]` extra.\n# What `{entry.command}` recorded of it is in the book.*\n\n"
    )


def without_markers(script: str) -> str:
    """A script without region markers and code annotations."""
    lines = (line for line in script.splitlines() if not MARKER.match(line))
    return "\n".join(ANNOTATION.sub("", line) for line in lines) + "\n"
