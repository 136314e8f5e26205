"""The book: chapter scripts, what they recorded, and the site made of both.

A chapter script says with `Chapter` what its page may quote. `run_chapter` records it,
`check_chapter` runs it again and compares, `build_site` builds the pages, which include.

- `recorder`: what a script calls; `bands`, `record`, `figures`: how that is kept.
- `runner`, `execute`, `comparison`: a run, and whether another one gives the same.
- `contents`: which scripts there are.
- `markdown`, `quoting`, `presentation`, `docstrings`: what a page calls.
- `notebooks`, `hooks`, `site`, `pyodide`: the site.
- `ch03_reverse_mode`, `ch04_vanilla_rnn`, …: the chapters.
"""

from tinygrad_rnn.book.bands import Interval, Within
from tinygrad_rnn.book.comparison import Deviation
from tinygrad_rnn.book.recorder import Chapter
from tinygrad_rnn.book.runner import ChapterError, chapters, check_chapter, run_chapter
from tinygrad_rnn.book.site import SiteError, build_site, serve_site

__all__ = [
    "Chapter",
    "ChapterError",
    "Deviation",
    "Interval",
    "SiteError",
    "Within",
    "build_site",
    "chapters",
    "check_chapter",
    "run_chapter",
    "serve_site",
]
