r"""Write the records of sources as Markdown, for the site."""

from collections.abc import Iterator, Mapping, Sequence

from tinygrad_rnn.data.sources.places import Archive, Place
from tinygrad_rnn.data.sources.records import Source

__all__ = ["as_markdown", "rows_of"]


def as_markdown(sources: Sequence[Source]) -> str:
    """A table of sources with licence and citation, then a section for each."""
    overview = [
        ("name", "what", "rows", "licence", "citation"),
        *(
            (f"[{s.name}](#{s.name})", s.title, rows_of(s.rows), s.licence, s.citation)
            for s in sources
        ),
    ]
    return "\n".join([*table(overview), *(line for s in sources for line in section(s))]) + "\n"


def section(source: Source) -> Iterator[str]:
    """The lines that tell all of a source."""
    yield from ("", f"## {source.name}", "", f"{source.title}. {source.note}".strip(), "")
    published = "" if source.measured else " (as published)"
    yield f"- Rows: {rows_of(source.rows)}{published}"
    yield f"- Licence: {source.licence}"
    yield f"- Citation: {source.citation}"
    for place in source.places:
        yield f"- From: {whence(place)}"
    columns = [("column", "holds"), *((f"`{k}`", text) for k, text in source.columns.items())]
    yield from ("", *table(columns))


def whence(place: Place) -> str:
    """Where files come from, with size and checksum of what is fetched."""
    kind = {"pip": "package ", "npm": "package ", "web": "<"}.get(place.kind, "")
    text = f"{kind}{place.place}{'>' if place.kind == 'web' else ''}"
    if not isinstance(place, Archive):
        return text
    if place.size:
        text += f", {place.size:,} bytes"
    if place.sha256:
        return f"{text}, SHA-256 `{place.sha256}`"
    published = f"MD5 `{place.md5}`" if place.md5 else "no checksum"
    return f"{text}, {published} published, the first download's SHA-256 is kept"


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """A table, its first row the heading."""
    heading, *body = ("| " + " | ".join(c.replace("|", r"\|") for c in row) + " |" for row in rows)
    return [heading, "|---" * len(rows[0]) + "|", *body]


def rows_of(rows: Mapping[str, int | None]) -> str:
    """Numbers of rows, with the names of parts if there are several.

    Example:
        >>> rows_of({"train": 60_000, "test": 10_000}), rows_of({"all": None})
        ('train 60,000, test 10,000', 'not counted')
    """
    counts = {part: "not counted" if n is None else f"{n:,}" for part, n in rows.items()}
    if list(counts) == ["all"]:
        return counts["all"]
    return ", ".join(f"{part} {n}" for part, n in counts.items())
