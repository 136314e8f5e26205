"""What one run of a script measured: a folder of small files that its page includes.

`record.json` holds every number with its band, every claim and what is needed to repeat the run.
Beside it lie the printed outputs (`*.txt`), the tables (`*.md`), the figures (`*.svg`) with the
data they were drawn from, and exported weights (`*.json`). All of it is committed.
"""

import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tinygrad_rnn.book.bands import Band, band_from_json

Number = int | float

SCHEMA = 1
NAME = re.compile(r"[a-z][a-z0-9_-]*")


@dataclass(frozen=True)
class Metric:
    """A measured number, its unit, and where a re-run must land."""

    value: Number
    unit: str
    band: Band


@dataclass(frozen=True)
class Claim:
    """A sentence that could be false, the test of it, what was measured, and whether it held."""

    sentence: str
    test: str
    measured: Number | str
    unit: str
    holds: bool


@dataclass(frozen=True)
class DerivationCheck:
    """The largest relative error with which an object's derivative met finite differences."""

    path: str
    error: float
    bound: float

    @property
    def holds(self) -> bool:
        """Whether the error is within its bound; a NaN is not."""
        return self.error <= self.bound


@dataclass(frozen=True)
class Text:
    """A printed output, in `NAME.txt`; whether a re-run must print the same."""

    exact: bool


@dataclass(frozen=True)
class Table:
    """A table, in `NAME.md`; its cells are kept to be compared as numbers."""

    columns: list[str]
    rows: list[list[Any]]
    band: Band


@dataclass(frozen=True)
class Figure:
    """A figure, in `NAME.svg`; its data, if it has any, in `NAME.json`.

    An exact one must come out the same, byte for byte, drawn again from the data.
    """

    alt: str
    caption: str
    bands: dict[str, Band]
    exact: bool = True


@dataclass(frozen=True)
class Export:
    """Data for a widget, in `NAME.json`; a re-run must give the same, or the same shapes."""

    shapes: dict[str, list[int]]
    exact: bool


@dataclass(frozen=True)
class Source:
    """Data that the script read, or made (then without licence and checksum)."""

    name: str
    licence: str = ""
    citation: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class Run:
    """What the run cost, and on what it ran.

    Attributes:
        seconds: wall time.
        peak_memory: the most memory it held at once, in MiB; None where the system keeps no count.
        cores: processors it could use.
        versions: of Python and of the packages that shape the results.
    """

    seconds: float
    peak_memory: int | None
    cores: int
    versions: dict[str, str]


@dataclass
class Record:
    """All that one run of a script recorded; what the page may refer to."""

    key: str
    title: str
    question: str
    seed: int
    prerequisites: list[int | str] = field(default_factory=list)
    data: list[Source] = field(default_factory=list)
    command: str = ""
    fingerprint: str = ""
    run: Run | None = None
    metrics: dict[str, Metric] = field(default_factory=dict)
    claims: list[Claim] = field(default_factory=list)
    derivations: dict[str, DerivationCheck] = field(default_factory=dict)
    texts: dict[str, Text] = field(default_factory=dict)
    tables: dict[str, Table] = field(default_factory=dict)
    figures: dict[str, Figure] = field(default_factory=dict)
    exports: dict[str, Export] = field(default_factory=dict)

    def names(self) -> list[str]:
        """Every name it holds, of whatever kind; a name is used once."""
        kinds = (self.metrics, self.derivations, self.texts, self.tables, self.figures)
        return [name for kind in (*kinds, self.exports) for name in kind]

    def files(self) -> set[str]:
        """The files that its folder holds, and no others."""
        drawn_from = {f"{name}.json" for name, figure in self.figures.items() if figure.bands}
        return (
            {"record.json"}
            | {f"{name}.txt" for name in self.texts}
            | {f"{name}.md" for name in self.tables}
            | {f"{name}.svg" for name in self.figures}
            | {f"{name}.json" for name in self.exports}
            | drawn_from
        )

    def problems(self) -> Iterator[tuple[str, str, str]]:
        """What makes the record unfit to publish, whatever an earlier run gave.

        Yields:
            The kind, the name and what is wrong.
        """
        for name, metric in self.metrics.items():
            if not metric.band.admits(metric.value, metric.value):
                yield "metric", name, f"{metric.value:g} is not in its band, {metric.band}"
        for claim in self.claims:
            if not claim.holds:
                measured = f"{claim.measured} {claim.unit}".strip()
                yield "claim", claim.sentence, f"does not hold: measured {measured}"
        for name, check in self.derivations.items():
            if not check.holds:
                off = f"relative error {check.error:.1e} is above the bound {check.bound:.0e}"
                yield "derivation", name, off

    def write(self, folder: Path) -> None:
        """Write `record.json`."""
        text = as_json({"schema": SCHEMA, **asdict(self)})
        (folder / "record.json").write_text(text, "utf-8")

    @classmethod
    def read(cls, folder: Path) -> "Record":
        """Read a folder's `record.json`.

        Raises:
            FileNotFoundError: if there is none yet, with the command that makes one.
            ValueError: if another version of the library wrote it.
        """
        path = folder / "record.json"
        if not path.exists():
            raise FileNotFoundError(f"{path} is not there: run `tg book run` for its script")
        fields = json.loads(path.read_text("utf-8"))
        schema = fields.pop("schema", None)
        if schema != SCHEMA:
            raise ValueError(f"{path} has schema {schema}, not {SCHEMA}: record it anew")
        return cls(**{name: _revived(name, value) for name, value in fields.items()})


_KINDS: dict[str, Any] = {
    "metrics": Metric,
    "derivations": DerivationCheck,
    "texts": Text,
    "tables": Table,
    "figures": Figure,
    "exports": Export,
}


def _revived(name: str, value: Any) -> Any:
    """A field of the record from its JSON."""
    if name == "run":
        return value and Run(**value)
    if name in ("claims", "data"):
        return [(Claim if name == "claims" else Source)(**fields) for fields in value]
    if name not in _KINDS:
        return value
    return {key: _KINDS[name](**_with_bands(fields)) for key, fields in value.items()}


def _with_bands(fields: dict[str, Any]) -> dict[str, Any]:
    if "band" in fields:
        return fields | {"band": band_from_json(fields["band"])}
    if "bands" in fields:
        return fields | {"bands": {k: band_from_json(b) for k, b in fields["bands"].items()}}
    return fields


def as_json(value: Any) -> str:
    """JSON that reads well in a diff: a list of plain values stays on one line."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    return re.sub(r"\[[^][{}]*\]", lambda match: _joined(match[0]), text) + "\n"


def _joined(lines: str) -> str:
    return re.sub(r"\n\s*", " ", re.sub(r"(?<=\[)\n\s*|\n\s*(?=\])", "", lines))


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """A new folder that takes the place of `folder` when the block ends well.

    The old one, with whatever stale files it held, stays untouched if the block raises.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as beside:
        new, old = Path(beside, "new"), Path(beside, "old")
        new.mkdir()
        yield new
        if folder.exists():
            folder.rename(old)
        try:
            new.rename(folder)
        except OSError:
            if old.exists():
                old.rename(folder)
            raise
