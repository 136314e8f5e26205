"""Imports, read from source."""

import textwrap

import pytest

from tinygrad_rnn.book.floors import Import, floor, imports, is_script, modules, standing_on


@pytest.fixture
def library(tmp_path):
    files = {
        "__init__.py": "from small.ops import twice",
        "kernels/__init__.py": "",
        "engine/__init__.py": "from small.engine.core import Core",
        "engine/core.py": """
            import numpy as np
            from typing import TYPE_CHECKING
            if TYPE_CHECKING:
                from small.ops import twice
            class Core:
                pass
        """,
        "ops/__init__.py": """
            import small.kernels
            from small.engine import core
            def twice(x):
                from small import engine
                return x + x
        """,
        "book/__init__.py": "",
        "book/ch01_toy.py": "import small.ops",
    }
    for name, text in files.items():
        path = tmp_path / "small" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), "utf-8")
    return tmp_path / "small"


def test_modules_go_by_their_dotted_names(library):
    assert {"small", "small.engine", "small.engine.core"} <= set(modules(library))


def test_an_import_is_of_the_innermost_module_that_it_names(library):
    found = imports(library)
    assert Import("small", "small.ops", deferred=False) in found
    assert Import("small.ops", "small.engine.core", deferred=False) in found
    assert Import("small.ops", "small.kernels", deferred=False) in found


def test_what_a_function_or_a_type_checker_imports_can_wait(library):
    found = imports(library)
    assert Import("small.ops", "small.engine", deferred=True) in found
    assert Import("small.engine.core", "small.ops", deferred=True) in found


def test_imports_from_elsewhere_do_not_count(library):
    assert not any("numpy" in each.of for each in imports(library))


def test_a_package_stands_on_those_that_it_imports_from_and_scripts_do_not_count(library):
    assert standing_on(library) == {
        "kernels": [],
        "engine": ["ops"],
        "ops": ["kernels", "engine"],
        "book": [],
    }


def test_a_floor_is_the_package_that_a_module_is_in():
    assert floor("small.engine.core") == "engine"
    assert floor("small") == "small"
    assert is_script("small.book.guide_extend")
    assert not is_script("small.book.charts")
