"""No change makes an update ask for more than a quarter more than it did; see benchmarks/update_costs.py."""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

from update_costs import KNOWN, costs, grown, methods  # noqa: E402

DAILY = {
    "td3-bc, continuous",
    "iql, continuous",
    "cql, continuous",
    "cql, discrete",
    "edac, continuous",
    "dt, continuous",
}
COSTS = json.loads(KNOWN.read_text())

counted = pytest.mark.skipif(
    not version("jax").startswith("0.10."), reason="other versions of JAX write other programs, and count otherwise"
)


def of(label: str) -> None:
    more = grown(costs(*label.split(", ")), COSTS[label])
    assert not more, (
        f"{label} asks for more (ratios): {more}; if that is meant: python benchmarks/update_costs.py write"
    )


@counted
@pytest.mark.parametrize("label", sorted(DAILY))
def test_an_update_asks_for_no_more(label):
    of(label)


@counted
@pytest.mark.every
@pytest.mark.parametrize("label", sorted(set(COSTS) - DAILY))
def test_no_update_asks_for_more(label):
    of(label)


def test_every_method_is_counted():
    assert set(COSTS) == {f"{name}, {actions}" for name, actions in methods()}


def test_what_has_grown_is_named():
    known = {"operations": 100, "bytes": 100, "transcendentals": 0}
    assert grown({"operations": 126, "bytes": 125, "transcendentals": 0}, known) == {"operations": 1.26}


@counted
def test_a_second_forward_pass_is_seen(monkeypatch):
    """What the guard is for: an update that is made twice."""
    from mooring.algorithms.policy_constraint.td3_bc import TD3BC

    once = TD3BC.update

    def twice(self, agent, batch, key, step):
        return once(self, once(self, agent, batch, key, step)[0], batch, key, step)

    monkeypatch.setattr(TD3BC, "update", twice)
    assert {"operations", "bytes"} <= set(grown(costs("td3-bc", "continuous"), COSTS["td3-bc, continuous"]))
