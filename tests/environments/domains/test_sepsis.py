"""ICU-Sepsis: what its clinicians do, which actions are known, and the recipe; without the package, what is missing."""

import importlib.util
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mooring.environments.domains.icu_sepsis import Clinicians, action_mask
from mooring.errors import BadInput

# gym, which it imports, says that it is unmaintained.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def package():
    for name in ("icu_sepsis", "gym", "sklearn"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"needs icu-sepsis with its own requirements: there is no {name}")


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "icu_sepsis", None)
    with pytest.raises(BadInput, match=r"needs the package icu-sepsis; pip install 'mooring\[icu\]'"):
        Clinicians.estimated()


def test_a_policy_takes_actions_as_often_as_its_table_says():
    policy = Clinicians(jnp.array([[0.2, 0.0, 0.8], [0.0, 1.0, 0.0]]))
    state = jnp.array(0)
    keys = jax.random.split(jax.random.key(0), 2_000)
    taken = jax.vmap(lambda key: policy.act((), state, key)[0])(keys)
    np.testing.assert_allclose(np.bincount(taken) / len(keys), [0.2, 0.0, 0.8], atol=0.03)
    assert policy.act((), state, None)[0] == 2
    assert np.exp(policy.log_prob((), state, jnp.array(2))) == pytest.approx(0.8)


def test_the_recipe_runs(example, package):
    data, found = example("sepsis.py:main")(steps=300, updates=20, episodes=3)
    assert (data.obs_space.n, data.action_space.n) == (716, 25)
    assert set(data.returns[data.continues[data.ends] == 0]) <= {0.0, 1.0}
    assert data.extra["action_mask"].shape == (300, 25)
    assert data.extra["action_mask"][np.arange(300), data.action].all()
    assert (data.extra["action_log_prob"] <= 0).all()
    assert set(found.returns.ravel()) <= {0.0, 1.0}


def test_some_actions_are_known_in_every_state(package):
    known = action_mask(np.arange(713)).sum(axis=1)
    assert known.min() >= 1
    assert known.max() < 25
