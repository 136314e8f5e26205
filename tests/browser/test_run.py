"""Run in the browser: Python on the page, with the network off."""

import pytest
from playwright.sync_api import expect

GUIDE = "contributing/page-components/"
STARTS = 60_000  # ms, for Python to start on a busy machine


@pytest.fixture
def offline_reader(reader, offline_site, serve):
    reader.address = serve(offline_site)
    return reader


def test_nothing_of_python_is_requested_before_the_click(offline_reader):
    offline_reader.open(GUIDE).wait_for_timeout(300)
    assert [url for url in offline_reader.requests if "pyodide" in url or "wheels" in url] == []


def test_code_runs_in_the_page_and_can_be_changed_and_stopped(offline_reader):
    page = offline_reader.open(GUIDE)
    first, second = page.locator(".tg-run").all()

    second.get_by_role("button", name="Run").click()
    expect(second.locator(".result")).to_contain_text("0.76159416", timeout=STARTS)
    expect(first.locator(".stdout")).to_contain_text("version")
    expect(second.get_by_role("status")).to_have_text("Done")

    write(second, "print(x.shape)\n1 / 0")
    second.get_by_role("button", name="Run").click()
    expect(second.locator(".stdout")).to_have_text("(5,)\n")
    expect(second.locator(".error")).to_have_text(
        'Traceback (most recent call last):\n  File "cell 2", line 2, in <module>\n'
        "    1 / 0\n    ~~^~~\nZeroDivisionError: division by zero\n"
    )

    write(second, "x = tg.tensor(3.0, requires_grad=True, name='x')\ntg.plot.graph(x * x)")
    second.get_by_role("button", name="Run").click()
    expect(second.locator(".picture svg")).to_be_visible()
    expect(second.locator(".picture svg")).to_contain_text("9")

    write(second, "print('still here')\nwhile True: pass")
    second.get_by_role("button", name="Run").click()
    expect(second.locator(".stdout")).to_have_text("still here\n")
    second.get_by_role("button", name="Stop").click()
    expect(second.get_by_role("status")).to_contain_text("Stopped")
    second.get_by_role("button", name="Reset").click()
    expect(second.locator("code")).to_contain_text("np.linspace")


def write(cell, source):
    cell.get_by_role("button", name="Edit").click()
    cell.get_by_role("textbox").fill(source)


def test_without_a_network_the_cell_says_what_would_help(reader):
    page = reader.open(GUIDE)
    cell = page.locator(".tg-run").first
    cell.get_by_role("button", name="Run").click()
    expect(cell.locator(".error").first).to_contain_text("Python did not start", timeout=STARTS)
    expect(cell.locator(".error").first).to_contain_text("tg book build --offline")
    assert any("https://cdn.jsdelivr.net/pyodide/v" in text for text in reader.complaints)
    reader.complaints.clear()
