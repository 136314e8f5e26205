"""Which pages are made from a script, and where their records lie.

`chNN_name.py` makes `docs/chapters/NN-name/`, and `guide_name.py` makes `docs/name/`. The folder
holds the page, `index.md`, and what the script recorded, `recorded/`. A script is known by its
key: a chapter's two digits, a guide's name. A guide may be a gallery: it runs the programs that lie
in the folder of its name, `guide_gallery.py` those in `gallery/`.

>>> SCRIPT.fullmatch("ch03_reverse_mode.py").groupdict()
{'number': '03', 'chapter': 'reverse_mode', 'guide': None}
"""

import re
from dataclasses import dataclass
from pathlib import Path

SCRIPT = re.compile(r"ch(?P<number>\d\d)_(?P<chapter>\w+)\.py|guide_(?P<guide>\w+)\.py")


def programs_of(script: Path) -> list[Path]:
    """The programs that a script runs: the modules in the folder of its name, if there is one."""
    folder = script.with_name(script.stem.removeprefix("guide_"))
    return sorted(path for path in folder.glob("*.py") if path.stem != "__init__")


def code_of(script: Path) -> str:
    """The text of a script and of the programs that it runs."""
    return "\n".join(path.read_text("utf-8") for path in (script, *programs_of(script)))


@dataclass(frozen=True)
class Entry:
    """A page that is made from a script.

    Attributes:
        key: what references and commands call it, "03" or "extend-the-engine".
        script: the script.
        folder: the folder of its page, under docs.
    """

    key: str
    script: Path
    folder: Path

    @property
    def page(self) -> Path:
        """The page that includes what the script recorded."""
        return self.folder / "index.md"

    @property
    def recorded(self) -> Path:
        """The folder of the record."""
        return self.folder / "recorded"

    @property
    def programs(self) -> list[Path]:
        """The programs that it runs and its page shows, if it is a gallery."""
        return programs_of(self.script)

    @property
    def has_notebook(self) -> bool:
        """Whether it becomes a notebook; a gallery's programs are files to copy instead."""
        return not self.programs

    @property
    def notebook(self) -> str:
        """The file name of the notebook that it becomes."""
        return f"{self.script.stem}.ipynb"

    @property
    def is_chapter(self) -> bool:
        """Whether it is a chapter, which has more parts than a guide."""
        return self.key.isdecimal()

    @property
    def module(self) -> str:
        """The dotted name under which the package holds the script."""
        return f"tinygrad_rnn.book.{self.script.stem}"

    @property
    def command(self) -> str:
        """What a reader types to record it anew."""
        return f"tg book run {int(self.key) if self.is_chapter else self.key}"


@dataclass(frozen=True)
class Book:
    """A folder of scripts, and the folder of the pages made from them.

    Attributes:
        root: the folder against which pages name the files that they include.
        scripts: the folder of the scripts.
        docs: the folder of the site's pages.
    """

    root: Path
    scripts: Path
    docs: Path

    def entries(self) -> list[Entry]:
        """All scripts: chapters by number, then guides by name."""
        found = ((path, SCRIPT.fullmatch(path.name)) for path in sorted(self.scripts.glob("*.py")))
        return [self._entry(path, match) for path, match in found if match]

    def _entry(self, path: Path, match: re.Match[str]) -> Entry:
        if match["number"]:
            name = match["chapter"].replace("_", "-")
            folder = self.docs / "chapters" / f"{match['number']}-{name}"
            return Entry(match["number"], path, folder)
        name = match["guide"].replace("_", "-")
        return Entry(name, path, self.docs / name)

    def entry(self, key: str | int) -> Entry:
        """The script of that key; 3, "3" and "03" are one chapter.

        Raises:
            LookupError: if there is none, naming those there are.
        """
        wanted = f"{int(key):02d}" if str(key).isdecimal() else str(key)
        entries = self.entries()
        for entry in entries:
            if entry.key == wanted:
                return entry
        known = ", ".join(entry.key for entry in entries) or f"none in {self.scripts}"
        raise LookupError(f"the book has no script {wanted!r}; it has: {known}")


_ROOT = Path(__file__).resolve().parents[2]
BOOK = Book(root=_ROOT, scripts=_ROOT / "tinygrad_rnn" / "book", docs=_ROOT / "docs")
