"""The page that declares an op, run in the browser from its first cell to its last."""

from playwright.sync_api import expect

from tinygrad_rnn.book.contents import BOOK

STARTS = 90_000  # ms, for Python to start on a busy machine


def test_an_op_is_declared_checked_and_differentiated_twice_in_the_page(
    reader, offline_site, serve
):
    reader.address = serve(offline_site)
    page = reader.open("extend/")
    cells = page.locator(".tg-run")

    cells.last.get_by_role("button", name="Run").click()  # and with it all cells above
    expect(cells.last.get_by_role("status")).to_have_text("Done", timeout=STARTS)
    assert page.locator(".tg-run .error").count() == 0
    printed = page.locator(".tg-run .stdout").all_inner_texts()
    for name in ("formula", "caught", "twice", "program"):
        assert (BOOK.entry("extend").recorded / f"{name}.txt").read_text("utf-8") in printed

    cells.first.get_by_role("button", name="Run").click()  # declaring it again is no error
    expect(cells.first.get_by_role("status")).to_have_text("Done")
    assert page.locator(".tg-run .error").count() == 0


def test_the_front_page_runs_a_recurrent_cell(reader, offline_site, serve):
    reader.address = serve(offline_site)
    page = reader.open("")
    cell = page.locator(".tg-run")
    cell.get_by_role("button", name="Run").click()
    recorded = (BOOK.entry("notation").recorded / "gradients.txt").read_text("utf-8")
    expect(cell.locator(".stdout")).to_have_text(recorded, timeout=STARTS)
