"""What the components do, on the page that shows them all."""

import re

import pytest
from playwright.sync_api import expect

from tinygrad_rnn.plot.palette import DARK, LIGHT

GUIDE = "contributing/page-components/"


def rgb(colour):
    return f"rgb({', '.join(str(int(colour[i : i + 2], 16)) for i in (1, 3, 5))})"


def style(locator, name):
    return locator.evaluate(f"box => getComputedStyle(box)['{name}']")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_page_follows_the_system_until_the_reader_chooses(reader, dark):
    page = reader.open(GUIDE, dark=dark)
    system = [LIGHT, DARK][dark]
    assert style(page.locator("body"), "backgroundColor") == rgb(system.paper)
    while page.locator("body").get_attribute("data-md-color-media") == "(prefers-color-scheme)":
        page.locator("[data-md-component=palette] label:visible").click()
    page.locator("[data-md-component=palette] label:visible").click()
    chosen = style(page.locator("body"), "backgroundColor")
    assert chosen in (rgb(LIGHT.paper), rgb(DARK.paper))
    page.reload()
    assert style(page.locator("body"), "backgroundColor") == chosen


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_figure_is_drawn_in_the_colours_of_the_scheme(reader, dark):
    curve = reader.open(GUIDE, dark=dark).locator("#fig-saturation path[stroke*=value]")
    assert style(curve, "stroke") == rgb([LIGHT, DARK][dark].value)


@pytest.mark.parametrize("width", [1280, 390])
def test_search_finds_a_word_of_the_text(reader, width):
    page = reader.open(GUIDE, width=width)
    if width == 390:
        page.locator(".md-header__button[for=__search]").click()
    page.get_by_role("textbox", name="Search").press_sequentially("topological")
    result = page.locator(".md-search-result__item").first
    expect(result).to_contain_text(re.compile("topological", re.IGNORECASE))
    expect(result).to_be_in_viewport()


def test_a_side_note_stands_in_the_margin_of_a_wide_page_and_in_the_text_of_a_narrow_one(reader):
    page = reader.open(GUIDE)
    note, text = page.locator(".side").first, page.locator(".side + p").first
    wide = note.bounding_box(), text.bounding_box()
    assert wide[0]["x"] > wide[1]["x"] + wide[1]["width"]
    page.set_viewport_size({"width": 390, "height": 844})
    narrow = note.bounding_box(), text.bounding_box()
    assert narrow[0]["y"] + narrow[0]["height"] < narrow[1]["y"]


def test_a_wide_equation_scrolls_in_its_own_box_with_the_keyboard(reader):
    page = reader.open(GUIDE, width=390)
    equation = page.locator("div.arithmatex[tabindex='0']").first
    equation.focus()
    page.keyboard.press("ArrowRight")
    expect(equation).not_to_have_js_property("scrollLeft", 0)


def test_a_prediction_unfolds_the_answer_and_is_remembered(reader):
    page = reader.open(GUIDE)
    question = page.locator(".predict")
    answer = question.get_by_text("adds its own share")
    expect(answer).to_be_hidden()
    question.get_by_role("button").nth(1).press("Enter")
    expect(answer).to_be_visible()
    expect(question.get_by_role("status")).to_contain_text("Not this time")
    expect(question.locator(".wrong")).to_contain_text("6")
    expect(question.locator(".right")).to_contain_text("visited last")
    page.reload()
    expect(answer).to_be_visible()
    expect(question.get_by_role("button").nth(1)).to_have_attribute("aria-pressed", "true")


def node(stepper, label):
    return stepper.locator("g.tg-stepper__node", has_text=label)


def test_the_stepper_shows_values_forward_and_cotangents_backward(reader):
    stepper = reader.open(GUIDE).locator(".tg-stepper")
    for _ in range(3):
        stepper.get_by_role("button", name="Next step").click()
    product = node(stepper, "a=x⋅x")
    expect(product.locator(".value")).to_have_text("9")
    expect(product.locator(".cotangent")).to_be_empty()
    for _ in range(3):
        stepper.get_by_role("button", name="Next step").click()
    expect(product.locator(".cotangent")).to_have_text("∂ 1")
    expect(product).to_have_class(re.compile("backward"))
    expect(stepper.locator(".contribution", has_text="3")).to_have_count(2)
    expect(stepper.locator(".tg-stepper__text")).to_contain_text("both are added")
    expect(stepper.get_by_role("button", name="Next step")).to_be_disabled()


def test_the_arrow_keys_walk_the_stepper_and_home_and_end_jump(reader):
    page = reader.open(GUIDE)
    stepper = page.locator(".tg-stepper")
    count = stepper.locator(".tg-stepper__count")
    stepper.get_by_role("button", name="Next step").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(count).to_have_text("forward, step 2 of 6")
    page.keyboard.press("ArrowLeft")
    expect(count).to_have_text("forward, step 1 of 6")
    page.keyboard.press("End")
    expect(count).to_have_text("backward, step 6 of 6")
    page.keyboard.press("Home")
    expect(count).to_have_text("6 steps")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_what_a_reader_has_opened_and_answered_is_accessible_too(reader, violations, dark):
    page = reader.open(GUIDE, dark=dark)
    page.locator(".predict button").nth(1).click()
    page.get_by_role("button", name="Next step").press("End")
    page.get_by_role("button", name="Edit").first.click()
    for fold in page.locator("article details > summary").all():
        fold.click()
    assert violations(page) == []


def test_the_stepper_runs_downwards_on_a_phone(reader):
    page = reader.open(GUIDE)
    drawing = page.locator(".tg-stepper__drawing svg")

    def shape():
        box = drawing.bounding_box()
        return "wide" if box["width"] > box["height"] else "tall"

    assert shape() == "wide"
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_function(
        "getComputedStyle(document.querySelector('.tg-stepper__drawing svg')).width < '3'"
    )
    assert shape() == "tall"


def test_a_page_without_scripts_still_says_everything(browser, site, serve):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(serve(site) + GUIDE)
    expect(page.locator(".predict").get_by_text("adds its own share")).to_be_visible()
    expect(page.locator(".tg-stepper figure")).to_be_visible()
    expect(page.get_by_text("import numpy as np").first).to_be_visible()
    context.close()
