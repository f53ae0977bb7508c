"""The light: what makes it yellow and red, and that only several looks in a row do."""

import pytest

from mooring.diagnostics.light import Light, judge, last_looks, tally, verdicts

CALM = {"seem": 0.0, "q": 10.0, "bound": 100.0, "implied": 0.5, "gap": 0.1, "dead": 0.0}
EXCITED, RUSHING = {"seem": 0.4}, {"implied": 2.5}


@pytest.mark.parametrize(
    ("looks", "light", "words"),
    [
        ([{}], Light.GREEN, ""),
        ([{}, {}, {}], Light.GREEN, ""),
        ([EXCITED | RUSHING], Light.GREEN, ""),
        ([{}, EXCITED | RUSHING], Light.GREEN, ""),
        ([EXCITED | RUSHING, {}], Light.GREEN, ""),
        ([EXCITED, EXCITED], Light.YELLOW, "SEEM 0.40"),
        ([RUSHING, RUSHING], Light.YELLOW, "2.5 times the largest reward"),
        ([EXCITED | RUSHING, EXCITED], Light.YELLOW, "SEEM"),
        ([EXCITED | RUSHING, EXCITED | RUSHING], Light.RED, "2.5 times the largest reward, and learning"),
        ([{"seem": 9.0}, {"seem": 9.0, "q": 11.0}], Light.RED, "|Q| rises"),
        ([{"seem": 9.0}, {"seem": 9.0}], Light.YELLOW, "SEEM 9.00"),
        ([{"q": 100.5}], Light.RED, "no return can be above 100"),
        ([{"q": float("inf")}], Light.RED, "|Q| is inf"),
        ([{"q": float("nan")}], Light.RED, "|Q| is nan"),
        ([{"seem": float("inf"), "implied": float("inf")}] * 2, Light.RED, "inf times"),
        ([{"dead": 0.6}], Light.YELLOW, "60% of the critics' hidden units"),
    ],
)
def test_the_rule(looks, light, words):
    verdict = judge([CALM | each for each in looks])
    assert verdict.light == light
    assert words in verdict.reason
    assert bool(verdict.reason) == bool(verdict.advice) == (light != Light.GREEN)


def row(step, *members, kind="watch"):
    each = [CALM | member for member in members]
    return {"stage": "main", "step": step, "kind": kind} | {name: [one[name] for one in each] for name in CALM}


def test_every_member_has_a_light_of_its_own():
    bad = EXCITED | RUSHING
    rows = [row(100, bad, {}, bad), row(150, {}, {}, {}, kind="train"), row(200, bad, {}, EXCITED)]
    found = verdicts(rows, 3)
    assert [verdict.light for verdict in found] == [Light.RED, Light.GREEN, Light.YELLOW]
    assert tally(found) == "1 red, 1 yellow"
    assert last_looks(rows, 0) == [CALM | bad, CALM | bad]
    assert last_looks(rows, 2, 1) == [CALM | EXCITED]


def test_what_was_never_watched_has_no_light():
    assert verdicts([row(100, {}, kind="train")], 1) == []
    assert tally([]) == ""
