"""Where a re-run differs from what is committed, in words a person can act on."""

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_rnn.book.bands import Band
from tinygrad_rnn.book.figures import flattened, thawed
from tinygrad_rnn.book.record import Figure, Metric, Record, Table

STATED = ("title", "question", "seed", "prerequisites", "command")


@dataclass(frozen=True)
class Deviation:
    """One thing that a re-run did not confirm.

    Attributes:
        key: whose record.
        kind: metric, claim, derivation, text, table, figure, export, file or chapter; or, among
            explanations, data or version.
        name: which one.
        message: how it differs.
        fails: whether the page is wrong for it; if not, it only explains other deviations.
    """

    key: str
    kind: str
    name: str
    message: str
    fails: bool = True

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.key} {self.kind} {self.name}: {self.message}"


def deviations(committed: Path, rerun: Path) -> list[Deviation]:
    """Compare a re-run's folder, with its `redrawn` figures, to the committed one."""
    old, new = Record.read(committed), Record.read(rerun)
    found = [
        *_stated(old, new),
        *new.problems(),
        *_metrics(old, new),
        *_claims(old, new),
        *_texts(old, new, committed, rerun),
        *_tables(old, new),
        *_figures(old, new, committed, rerun),
        *_exports(old, new, committed, rerun),
        *_files(old, committed),
    ]
    return [Deviation(new.key, *fields) for fields in found] + list(_explanations(old, new, found))


Found = tuple[str, str, str]


def _stated(old: Record, new: Record) -> Iterator[Found]:
    for name in STATED:
        was, is_now = getattr(old, name), getattr(new, name)
        if was != is_now:
            yield "chapter", name, f"the script says {is_now!r}, the record {was!r}"


def _metrics(old: Record, new: Record) -> Iterator[Found]:
    yield from _names("metric", old.metrics, new.metrics)
    for name, was, is_now in _both(old.metrics, new.metrics):
        if (was.band, was.unit) != (is_now.band, is_now.unit):
            yield (
                "metric",
                name,
                f"the script expects {_expected(is_now)}, the record {_expected(was)}",
            )
        in_itself = is_now.band.admits(is_now.value, is_now.value)  # or a problem already told
        if in_itself and not is_now.band.admits(is_now.value, was.value):
            numbers = f"re-run gave {is_now.value:g}, recorded is {was.value:g}"
            yield "metric", name, f"{numbers}, expected {is_now.band}"


def _expected(metric: Metric) -> str:
    return f"{metric.band} {metric.unit}".strip()


def _claims(old: Record, new: Record) -> Iterator[Found]:
    was, is_now = ({c.sentence: c for c in record.claims} for record in (old, new))
    yield from _names("claim", was, is_now)


def _texts(old: Record, new: Record, committed: Path, rerun: Path) -> Iterator[Found]:
    yield from _names("text", old.texts, new.texts)
    for name, _, text in _both(old.texts, new.texts):
        was, is_now = (_read(folder / f"{name}.txt") for folder in (committed, rerun))
        if text.exact and was != is_now:
            yield "text", name, f"re-run printed otherwise:\n{_difference(was, is_now)}"


def _difference(was: str, is_now: str) -> str:
    lines = difflib.unified_diff(
        was.splitlines(), is_now.splitlines(), "recorded", "re-run", lineterm="", n=1
    )
    return "\n".join(list(lines)[:12])


def _tables(old: Record, new: Record) -> Iterator[Found]:
    yield from _names("table", old.tables, new.tables)
    for name, was, is_now in _both(old.tables, new.tables):
        yield from (("table", name, message) for message in _cells(was, is_now))


def _cells(was: Table, is_now: Table) -> Iterator[str]:
    if was.columns != is_now.columns or len(was.rows) != len(is_now.rows):
        yield (
            f"re-run has columns {is_now.columns} and {len(is_now.rows)} rows, recorded are "
            f"{was.columns} and {len(was.rows)}"
        )
        return
    for i, (before, after) in enumerate(zip(was.rows, is_now.rows, strict=True), start=1):
        for column, a, b in zip(was.columns, before, after, strict=True):
            if not _same(a, b, is_now.band if isinstance(b, float) else None):
                yield f"row {i}, {column}: re-run gave {b}, recorded is {a}"


def _figures(old: Record, new: Record, committed: Path, rerun: Path) -> Iterator[Found]:
    yield from _names("figure", old.figures, new.figures)
    for name, was, is_now in _both(old.figures, new.figures):
        for message in _figure(name, was, is_now, committed, rerun):
            yield "figure", name, message


def _figure(name: str, was: Figure, is_now: Figure, committed: Path, rerun: Path) -> Iterator[str]:
    for field in ("alt", "caption"):
        if getattr(was, field) != getattr(is_now, field):
            yield f"the script's {field} is not the recorded one"
    if was.bands and is_now.bands:
        before, after = (json.loads(_read(f / f"{name}.json")) for f in (committed, rerun))
        yield from _series(before, after, is_now.bands)
    if not is_now.exact:
        return
    drawing = rerun / "redrawn" if was.bands and is_now.bands else rerun
    # An altered alternative text is in the drawing too, and has been told of.
    if was.alt == is_now.alt and _read(committed / f"{name}.svg") != _read(drawing / f"{name}.svg"):
        yield f"drawn again from {name}.json, {name}.svg is another picture"


def _series(before: Any, after: Any, bands: Mapping[str, Band]) -> Iterator[str]:
    was, is_now = flattened(before), flattened(after)
    for key in sorted(was.keys() ^ is_now.keys()):
        yield f"data {key!r} are only in the {'record' if key in was else 're-run'}"
    for key in (key for key in was if key in is_now):
        band = bands.get(key.split(".", 1)[0])
        if not _same(was[key], is_now[key], band):
            yield f"data {key!r}: {_farthest(was[key], is_now[key])}, expected {band}"


def _same(was: Any, is_now: Any, band: Band | None) -> bool:
    """Whether numbers are within a band; anything else has to be the same."""
    a, b = np.asarray(thawed(was)), np.asarray(thawed(is_now))
    if band is None or "f" not in (a.dtype.kind, b.dtype.kind):
        return bool(np.array_equal(a, b))
    return a.shape == b.shape and band.admits(b, a)


def _farthest(was: Any, is_now: Any) -> str:
    a, b = np.asarray(thawed(was)), np.asarray(thawed(is_now))
    if a.shape != b.shape:
        return f"re-run has shape {b.shape}, recorded is {a.shape}"
    if a.dtype.kind not in "if" or not a.ndim:
        return f"re-run gave {is_now}, recorded is {was}"
    worst = np.unravel_index(np.nanargmax(np.abs(b - a)), a.shape)
    place = ", ".join(str(int(i)) for i in worst)
    return f"at [{place}] re-run gave {b[worst]:g}, recorded is {a[worst]:g}"


def _exports(old: Record, new: Record, committed: Path, rerun: Path) -> Iterator[Found]:
    yield from _names("export", old.exports, new.exports)
    for name, was, is_now in _both(old.exports, new.exports):
        if was.shapes != is_now.shapes:
            yield "export", name, f"re-run has shapes {is_now.shapes}, recorded are {was.shapes}"
        elif is_now.exact and _read(committed / f"{name}.json") != _read(rerun / f"{name}.json"):
            yield "export", name, "re-run gave other data"


def _files(old: Record, committed: Path) -> Iterator[Found]:
    there = {path.name for path in committed.iterdir()}
    for name in sorted(old.files() - there):
        yield "file", name, "the record names it, but it is not there"
    for name in sorted(there - old.files()):
        yield "file", name, "no part of the record: delete it"


def _explanations(old: Record, new: Record, found: Iterable[Found]) -> Iterator[Deviation]:
    """What may explain the deviations: other data, other versions."""
    was, is_now = ({d.name: d.sha256 for d in record.data} for record in (old, new))
    for name in was.keys() | is_now.keys():
        if was.get(name) != is_now.get(name):
            message = "the re-run read other data than the record was made from"
            yield Deviation(new.key, "data", name, message, fails=False)
    if old.run and new.run and any(found):
        for name, version in new.run.versions.items():
            recorded = old.run.versions.get(name)
            if recorded != version:
                message = f"re-run with {version}, recorded with {recorded}"
                yield Deviation(new.key, "version", name, message, fails=False)


def _names(kind: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Found]:
    for name in old.keys() - new.keys():
        yield kind, name, "recorded, but the script no longer makes it"
    for name in new.keys() - old.keys():
        yield kind, name, "made by the script, but not recorded yet"


def _both(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    return ((name, old[name], new[name]) for name in new if name in old)


def _read(path: Path) -> str:
    return path.read_text("utf-8") if path.exists() else ""
