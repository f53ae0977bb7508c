"""The page in headless Chromium: nothing to complain of, nothing fetched, controls by mouse, touch and keyboard."""

import json

import pytest
from browser import FOUND, Browser
from test_runs_page import ESTIMATES

from mooring.report.film import _figure
from mooring.report.html import document, section
from mooring.report.writing import report
from run_folders import write_run

pytestmark = pytest.mark.skipif(FOUND is None, reason="needs Chromium, and there is none")

CURVE = "#learning-curves .chart"
FOREST = "#from-logs-alone .chart"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    runs = [write_run(folder / "a", "iql"), write_run(folder / "b", "bc", ((5.0, 6.0), (7.0, 8.0), (9.0, 9.5)))]
    (runs[0] / "estimates.json").write_text(json.dumps(ESTIMATES))
    return report(runs, folder / "page.html", films=0, audit=False)


def tip(browser, chart):
    """What the chart tells now; None where it is silent."""
    return browser.ask(
        f"(tip => tip.hidden ? null : tip.innerText.split('\\n'))(document.querySelector('{chart} .tip'))"
    )


def pressed(browser):
    return browser.ask(f"[...document.querySelectorAll('{CURVE} .legend button')].map(b => b.ariaPressed)")


@pytest.mark.parametrize(("width", "dark"), [(1200, False), (375, True)])
def test_nothing_is_fetched_nothing_fails_nothing_is_wider_than_the_screen(browser, file, width, dark):
    browser.requests.clear()
    browser.open(file, width, dark=dark)
    assert browser.complaints == []
    assert browser.requests == [file.resolve().as_uri()]
    assert browser.ask("document.documentElement.scrollWidth") == width
    color = browser.ask("getComputedStyle(document.body).backgroundColor")
    assert color == ("rgb(18, 22, 26)" if dark else "rgb(246, 248, 249)")


def test_the_switch_turns_light_to_dark_and_back(browser, file):
    browser.open(file)
    colors = []
    for _ in range(3):
        colors.append(browser.ask("getComputedStyle(document.body).backgroundColor"))
        browser.point("#light", how="click")
    assert colors[0] != colors[1]
    assert colors[0] == colors[2]


def test_a_chart_tells_its_numbers_to_the_mouse(browser, file):
    browser.open(file)
    assert tip(browser, CURVE) is None
    browser.point(f"{CURVE} svg", across=0.97)
    assert tip(browser, CURVE) == ["3,000 updates", "iql: 32 [6.59, 57.4]", "bc: 9.25 [6.07, 12.4]"]
    browser.point(f"{CURVE} svg", across=0.56)
    assert tip(browser, CURVE)[0] == "2,000 updates"
    browser.point(f"{FOREST} svg", down=0.35)
    assert tip(browser, FOREST)[0] == "wdr"
    assert "warnings: <script>alert(1)</script>" in tip(browser, FOREST)
    assert tip(browser, CURVE) is None


def test_a_chart_tells_its_numbers_to_a_finger(browser, file):
    browser.open(file, 375)
    browser.point(f"{CURVE} svg", across=0.2, how="touch")
    assert tip(browser, CURVE)[0] == "1,000 updates"
    assert browser.ask(f"document.querySelector('{CURVE} .tip').getBoundingClientRect().right") <= 375


@pytest.mark.parametrize("how", ["click", "touch"])
def test_a_legend_hides_a_line(browser, file, how):
    browser.open(file, 375 if how == "touch" else 1200)
    browser.point(f"{CURVE} .legend button", how=how)
    assert pressed(browser) == ["false", "true"]
    assert browser.ask(f"document.querySelector('{CURVE} g[data-series]').getBoundingClientRect().width") == 0
    browser.point(f"{CURVE} svg", across=0.97)
    assert [line.split(":")[0] for line in tip(browser, CURVE)[1:]] == ["bc"]
    browser.point(f"{CURVE} .legend button", how=how)
    assert pressed(browser) == ["true", "true"]


def test_all_of_it_goes_by_keyboard(browser, file):
    browser.open(file)
    browser.ask("document.querySelector('nav a').focus()")
    for _ in range(40):
        browser.press("Tab")
        if browser.ask(f"document.activeElement === document.querySelector('{CURVE} .legend button')"):
            break
    browser.press(" ")
    assert pressed(browser) == ["false", "true"]
    browser.press("Enter")
    assert pressed(browser) == ["true", "true"]
    outline = browser.ask("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    browser.press("Tab")
    browser.press("Tab")
    assert browser.ask(f"document.activeElement === document.querySelector('{CURVE} svg')")
    for key, step in (("ArrowRight", "1,000"), ("ArrowRight", "2,000"), ("End", "3,000"), ("ArrowLeft", "2,000")):
        browser.press(key)
        assert tip(browser, CURVE)[0] == f"{step} updates"
    browser.press("Escape")
    assert tip(browser, CURVE) is None


def test_every_control_has_a_name(browser, file):
    browser.open(file)
    controls = "[...document.querySelectorAll('button, a, input, svg[tabindex]')]"
    assert browser.ask(f"{controls}.filter(each => !(each.textContent.trim() || each.ariaLabel)).length") == 0


def test_a_film_plays_stops_and_steps(browser, tmp_path):
    dot = '<svg viewBox="0 0 9 9"><circle class="walker" r="1" cx="0" cy="0" data-path="0,0 1,2 3,4"/></svg>'
    film = _figure("a film", dot, "", 3, 20.0)
    (tmp_path / "film.html").write_text(document("film", "", [section("Films", film)]))
    browser.open(tmp_path / "film.html")
    place = "(dot => [dot.getAttribute('cx'), dot.getAttribute('cy')])(document.querySelector('.walker'))"
    browser.ask("document.querySelector('.film input').focus()")
    browser.press("ArrowRight")
    assert browser.ask(place) == ["1", "2"]
    browser.point(".film button", how="click")
    moved = (
        "new Promise(done => setInterval(() => document.querySelector('.film input').value === '0' && done(true), 5))"
    )
    assert browser.ask(moved)
    assert browser.ask("document.querySelector('.film button').textContent") == "Pause"
    browser.point(".film button", how="click")
    assert browser.ask("document.querySelector('.film button').textContent") == "Play"
    assert browser.complaints == []
