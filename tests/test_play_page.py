"""The page of `fastconv play` in Chromium: drawn to, trained and operated with keys alone."""

from __future__ import annotations

import threading

import pytest

from fastconv import play, utils
from tests.support.chromium import Chromium, chromium
from tests.test_play import data

pytestmark = pytest.mark.skipif(chromium() is None, reason="needs Chromium")


@pytest.fixture(scope="module")
def browser():
    with Chromium() as browser:
        yield browser


@pytest.fixture
def url():
    utils.set_random_seed(1)
    session = play.Session(play.small_networks((8, 8, 1), 10), data())
    with play.Server(session) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield server.url
        server.shutdown()
        thread.join()


def opened(browser, url, **options):
    page = browser.open(url, **options)
    page.wait("seen && document.querySelectorAll('.layer').length")
    return page


def trained(page, steps: int):
    page.click("#train")
    page.wait(f"state.losses.length >= {steps}")
    page.click("#train")
    page.wait("!training && !looking")


def draw_seven(page):
    left, top, width, height = page.box("#pad")
    corners = [(0.3, 0.15), (0.7, 0.15), (0.6, 0.4), (0.5, 0.6), (0.45, 0.85)]
    page.drag([(left + width * x, top + height * y) for x, y in corners])
    page.wait("!looking")


def test_a_drawn_seven_is_recognised_after_training(browser, url):
    page = opened(browser, url)
    assert "not learned much yet" in page.evaluate("document.querySelector('#answer').textContent")
    trained(page, 300)
    draw_seven(page)
    assert page.evaluate("document.querySelector('#answer').textContent") == "This is 7"
    rows = "[...document.querySelectorAll('#chances tr')]"
    first = f"{rows}.find((row) => row.classList.contains('first')).cells"
    assert page.evaluate(f"[...{first}].map((cell) => cell.textContent)[0]") == "7"
    widths = page.evaluate(f"{rows}.map((row) => row.cells[1].firstChild.offsetWidth)")
    assert max(widths) == widths[7] > 0
    assert "step 3" in page.evaluate("document.querySelector('#progress').textContent")
    points = page.evaluate("document.querySelector('#loss polyline').getAttribute('points')")
    ys = [float(point.split(",")[1]) for point in points.split()]
    assert len(ys) >= 150 and ys[-1] > ys[0] + 20  # downwards
    assert page.complaints() == []


def test_the_curves_survive_a_reload(browser, url):
    page = opened(browser, url)
    trained(page, 20)
    steps = page.evaluate("state.losses.length")
    again = opened(browser, url)
    assert again.evaluate("state.losses.length") == steps
    assert f"step {steps}," in again.evaluate("document.querySelector('#progress').textContent")


def test_the_maps_change_with_the_drawing(browser, url):
    page = opened(browser, url)
    before = page.evaluate("seen.layers.map((layer) => (layer.maps || layer.values).bytes)")
    draw_seven(page)
    after = page.evaluate("seen.layers.map((layer) => (layer.maps || layer.values).bytes)")
    assert all(a != b for a, b in zip(before, after, strict=True))
    page.click("#clear")
    page.wait("!looking")
    assert page.evaluate("seen.layers.map((layer) => (layer.maps || layer.values).bytes)") == before


def test_a_drawing_is_fitted_into_the_frame(browser, url):
    page = opened(browser, url)
    left, top, width, height = page.box("#pad")
    page.drag([(left + 0.1 * width, top + 0.1 * height), (left + 0.1 * width, top + 0.4 * height)])
    page.wait("!looking")
    rows = "Array.from({length: 8}, (_, row) => Math.max(...drawing().slice(8 * row, 8 * row + 8)))"
    assert min(page.evaluate(rows)) > 127
    page.click("#fit")
    page.wait("!looking")
    assert max(page.evaluate(rows)[5:]) == 0


def test_the_receptive_field_follows_the_pointer(browser, url):
    page = opened(browser, url)
    left, top, width, height = page.box(".layer:nth-child(3) button canvas")  # conv_2, 4x4
    page.drag([(left + 0.4 * width, top + 0.6 * height)])
    assert page.evaluate("document.querySelector('#unit').textContent").endswith(
        "depends on rows 2 to 8 and columns 1 to 7 of the input."
    )
    assert page.evaluate("document.querySelector('#input').width") > 8  # with a frame
    assert page.evaluate("document.querySelectorAll('#filter canvas').length") == 8


def test_a_network_is_chosen(browser, url):
    page = opened(browser, url)
    page.evaluate(
        "$('network').value = 'three convolutions'; $('network').dispatchEvent(new Event('change'))"
    )
    page.wait("state.network === 'three convolutions' && seen.layers.length === 4")
    names = "[...document.querySelectorAll('.layer h3')].map((title) => title.textContent)"
    assert page.evaluate(names) == ["conv_1", "conv_2", "conv_3", "classes"]


def test_everything_works_with_keys_alone(browser, url):
    page = opened(browser, url)
    focus = "document.activeElement.id || document.activeElement.getAttribute('aria-label')"
    stops = []
    for _ in range(14):
        page.press("Tab")
        stops.append(page.evaluate(focus))
    assert stops == [
        "pad", "clear", "example", "fit", "network", "train", "step", "reset",
        "conv_1, map 1 of 8", "pool_1, map 1 of 8", "conv_2, map 1 of 16", "pool_2, map 1 of 16",
    ] + stops[12:]  # fmt: skip
    page.evaluate("document.querySelector('#fit').focus()")
    page.press(" ")
    page.evaluate("document.querySelector('#pad').focus()")
    page.press(*[" "], *["ArrowRight"] * 5, *["ArrowDown"] * 7)
    status = "document.querySelector('#pad-status').textContent"
    assert page.evaluate(status) == "Pen down, row 8 of 8, column 6 of 8."
    page.wait("!looking")
    drawn = page.evaluate("Array.from(drawing())")
    assert drawn[0] > 60 and drawn[5 + 8 * 4] > 200 and drawn[8 * 5] == 0
    page.press("Delete")
    page.wait("!looking")
    assert page.evaluate("Math.max(...drawing())") == 0
    page.evaluate("document.querySelector('#step').focus()")
    page.press("Enter")
    page.wait("state.losses.length === 1")
    page.evaluate("document.querySelectorAll('.maps')[1].firstChild.focus()")
    page.press("PageDown", "ArrowRight", "ArrowDown")
    unit = page.evaluate("document.querySelector('#unit').textContent")
    assert unit.startswith("pool_1, map 2, row 2, column 2: about ")
    assert page.evaluate(focus) == "pool_1, map 2 of 8"


@pytest.mark.parametrize("width", [360, 400, 768, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_nothing_is_wider_than_the_screen_or_without_a_name(browser, url, width, dark):
    page = opened(browser, url, width=width, dark=dark)
    draw_seven(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    nameless = page.evaluate(
        "[...document.querySelectorAll('button, select, input, canvas, svg, table')]"
        ".filter((e) => !(e.ariaLabel || e.textContent.trim() || (e.labels && e.labels.length)"
        " || e.closest('button[aria-label]'))).map((e) => e.outerHTML)"
    )
    assert nameless == []
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(20, 23, 27)") == dark


def test_a_server_that_is_gone_is_announced(browser):
    session = play.Session(play.small_networks((8, 8, 1), 10), data())
    with play.Server(session) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        page = opened(browser, server.url)
        server.shutdown()
        thread.join()
    page.click("#step")
    page.wait("document.querySelector('#error').textContent.startsWith('The server has stopped')")
