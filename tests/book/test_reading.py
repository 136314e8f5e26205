import pytest

from tinygrad_rnn.book.reading import Page

TEXT = """\
---
not-measured: [3.11]
---
# A *page*

Prose with `code 1.5`, $x = 2.5$, {{ 05.loss:.3f }} and {{ extend.speed }}.

$$
3.5
$$

```python title="x"
--8<-- "a/b.py:region"
```

--8<-- "a/c.py"

````markdown
```python
--8<-- "not/included.py:3"
```
/// card | 99
///
````

~~~{ .python .tg-run }
--8<-- "a/b.py:2:7"
~~~

/// figure | 05.loss
    wide: true

//// text | 05.trace
////

Inside.
///

/// card
!!! exercise core "One"
    !!! predict "Two"
"""


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "page.md"
    path.write_text(TEXT)
    return Page(path)


def test_a_page_has_front_matter_and_a_title(page):
    assert page.meta == {"not-measured": [3.11]}
    assert page.title == "A *page*"


def test_a_page_may_have_neither(tmp_path):
    path = tmp_path / "page.md"
    path.write_text("Text.\n")
    assert Page(path).meta == {}
    assert Page(path).title == ""


def test_fences_know_their_language(page):
    assert [fence.language for fence in page.fences] == ["python", "markdown", "python"]
    assert page.fences[0].line == 12
    assert page.fences[0].body == ['--8<-- "a/b.py:region"']


def test_includes_are_found_in_prose_and_code_but_not_in_examples_of_markdown(page):
    assert sorted(page.includes) == [(13, "a/b.py:region"), (16, "a/c.py"), (27, "a/b.py:2:7")]


def test_blocks_are_found_where_they_count(page):
    shown = [(block.line, block.name, block.what) for block in page.blocks]
    assert shown == [(30, "figure", "05.loss"), (33, "text", "05.trace"), (39, "card", "")]


def test_an_unclosed_block_is_known_by_its_slashes(page):
    assert [(block.line, block.name) for block in page.unclosed] == [(39, "card")]


def test_admonitions_keep_their_classes(page):
    assert page.admonitions == ["exercise core", "predict"]


def test_quoted_values_are_known(page):
    assert page.values == ["05.loss", "extend.speed"]


def test_prose_is_what_is_left(page):
    text = "\n".join(line for _, line in page.prose)
    assert "Prose with" in text
    assert not any(digit in text for digit in ("1.5", "2.5", "3.5", "3.11", ".3f"))
    assert dict(page.prose)[36] == "Inside."
