r"""The journal of a run: one JSON object a line, in the order of the steps.

Example:
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "journal.jsonl"
    >>> journal = Journal(path)
    >>> journal.write({"step": 10, "loss": 2.5})
    >>> journal.write({"step": 20, "loss": 2.0})
    >>> read_journal(path)
    [{'step': 10, 'loss': 2.5}, {'step': 20, 'loss': 2.0}]
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tinygrad_rnn.train.atomic import replace_file

__all__ = ["Journal", "read_journal"]


class Journal:
    """Appends entries to a JSONL file, each whole and at once on its way to the disk.

    Args:
        path: The file; its folder is made if need be.
        after: The step that training goes on from. Entries of later steps, which a killed run
            wrote after its last checkpoint, are dropped, so that no step stands twice.
    """

    def __init__(self, path: str | Path, after: int = 0) -> None:
        self.path = Path(path)
        kept = [entry for entry in read_journal(self.path) if entry["step"] <= after and after]
        self._kept = {(entry["step"], *entry) for entry in kept}
        replace_file(self.path, "".join(map(_line, kept)).encode())

    def write(self, entry: Mapping[str, Any]) -> None:
        """Add one entry, which must say its step, unless it was kept from before a kill.

        Raises:
            KeyError: If it does not.
        """
        if "step" not in entry:
            raise KeyError(f"an entry of a journal needs its step; got {', '.join(entry)}")
        if (entry["step"], *entry) not in self._kept:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(_line(entry))


def read_journal(path: str | Path) -> list[dict[str, Any]]:
    """The entries of a journal, without a last line that a kill cut short; none without a file."""
    path = Path(path)
    if not path.exists():
        return []
    *whole, _ = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in whole]


def _line(entry: Mapping[str, Any]) -> str:
    return json.dumps(entry, ensure_ascii=False) + "\n"
