"""The page of an audit: whole, in one file, well formed, and honest about what it was not given."""

from html.parser import HTMLParser

import numpy as np
import pytest

from mooring.data import Dataset
from mooring.data.audit import Finding, Report, audit
from mooring.report.data_plots import PLOTS
from mooring.report.page import page

VOID = {"meta", "br", "path", "use", "image", "link", "img", "input"}


class Elements(HTMLParser):
    """Counts elements, and checks that each is closed in its turn."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.links: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href", "xlink:href") and value]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.links += [value for name, value in attrs if name in ("src", "href", "xlink:href") and value]

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag


@pytest.fixture(scope="module")
def log() -> Dataset:
    rng = np.random.default_rng(0)
    obs, last = rng.normal(size=(400, 3)), np.arange(400) % 20 == 19
    next_obs = np.where(last[:, None], 0.5, np.roll(obs, -1, axis=0))
    action = rng.uniform(-1, 1, (400, 2))
    return Dataset.build(obs, action, obs[:, 0], np.zeros(400), last, next_obs=next_obs, name="a <log>")


def test_the_page_is_whole_and_needs_nothing_else(log):
    report = audit(log)
    text = page(report, log)
    elements = Elements(text)
    assert elements.seen.count("figure") == elements.seen.count("svg") > 5
    assert all(link.startswith(("#", "data:")) for link in elements.links)
    assert "a &lt;log&gt;" in text
    assert "<log>" not in text
    for finding in report.findings:
        assert finding.check.replace("'", "&#x27;") in text


def test_the_page_of_data_that_could_not_be_loaded():
    finding = Finding("failure", "obs", "holds 3 NaN", "drop <them>", 7, 3, check="finite numbers")
    text = page(Report("broken.npz", (finding,)), None)
    Elements(text)
    for words in ('header class="failure"', "Holds 3 NaN.", "Drop &lt;them&gt;.", "first row 7, count 3"):
        assert words in text
    assert "<svg" not in text


@pytest.mark.parametrize("plot", PLOTS)
def test_plots_of_other_data(plot):
    images = np.random.default_rng(0).integers(0, 255, (40, 4, 4, 1), np.uint8)
    data = Dataset.build(images, np.arange(40) % 3, np.ones(40), np.arange(40) % 10 == 9, next_obs=images)
    figure = plot(data, audit(data))
    assert figure is None or figure.axes[0].get_title(loc="left")
