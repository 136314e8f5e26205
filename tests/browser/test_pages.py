"""Every page, whatever is on it."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = sorted(
    page.relative_to(DOCS).as_posix().removesuffix("index.md").removesuffix(".md")
    for page in DOCS.rglob("*.md")
    if "recorded" not in page.parts and "overrides" not in page.parts
)

OVERFLOWING = """() => [...document.querySelectorAll('body *')].filter(box => {
    const { right } = box.getBoundingClientRect();
    if (right <= innerWidth + 1 || !box.checkVisibility({ visibilityProperty: true })) return false;
    for (let parent = box; parent !== document.body; parent = parent.parentElement) {
        if (getComputedStyle(parent).overflowX !== 'visible') return false;
        if (getComputedStyle(parent).position === 'fixed') return false;
    }
    return true;
}).map(box => box.outerHTML.slice(0, 120))"""


def address(page):
    return page if page == "" or page.endswith("/") else f"{page}/"


@pytest.fixture(params=PAGES)
def path(request):
    return address(request.param)


def test_a_page_loads_cleanly_and_fits_a_phone(reader, path):
    page = reader.open(path)
    assert page.locator("h1").count() == 1
    assert page.locator(".katex-error").count() == 0
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate(OVERFLOWING) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_page_has_no_serious_accessibility_violation_in_either_scheme(reader, violations, path):
    page = reader.open(path)
    assert violations(page) == []
    page.emulate_media(color_scheme="dark")
    expect(page.locator("body")).to_have_attribute("data-md-color-scheme", "slate")
    assert violations(page, only=["color-contrast"]) == []


def test_what_the_site_brings_along_is_small():
    files = [file for file in (DOCS / "assets").rglob("*") if file.is_file()]
    assert max(file.stat().st_size for file in files) < 1_000_000
    widgets = sum(file.stat().st_size for file in files if file.suffix in (".js", ".json"))
    katex = (DOCS / "assets" / "katex" / "katex.min.js").stat().st_size
    assert widgets - katex < 150_000
