"""Trading's environments and recipe; without the package, what is missing."""

import sys

import numpy as np
import pytest

from mooring.environments.making import make
from mooring.errors import BadInput


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "gym_anytrading", None)
    with pytest.raises(BadInput, match=r"needs the package gym-anytrading; pip install 'mooring\[trading\]'"):
        make("mooring/Stocks-v0")


@pytest.mark.parametrize(("env_id", "size"), [("mooring/Stocks-v0", 60), ("mooring/Forex-v0", 48)])
def test_an_observation_is_a_window_of_prices_and_their_changes(env_id, size):
    pytest.importorskip("gym_anytrading", reason="needs gym-anytrading")
    with make(env_id) as env:
        before, _ = env.reset(seed=0)
        after, *_ = env.step(1)
    assert after.shape == (size,)
    np.testing.assert_array_equal(after[:-2], before[2:])
    assert after[-1] == pytest.approx(after[-2] - before[-2], abs=1e-3)


def test_the_recipe_runs(example):
    pytest.importorskip("gym_anytrading", reason="needs gym-anytrading")
    data, found = example("trading.py:main")(steps=100, updates=20)
    assert (len(data), data.action_space.n) == (100, 2)
    assert np.isfinite(found.returns).all()
