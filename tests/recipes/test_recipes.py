"""Recipes: the one that is chosen, and that every one fits its algorithm."""

import subprocess
import sys
from importlib.resources import files

import numpy as np
import pytest

from mooring import registry
from mooring.data import Dataset, catalog
from mooring.errors import BadInput
from mooring.recipes import Recipe, recipe, recipes
from mooring.types import Algorithm

NAMES = sorted(file.name.removesuffix(".toml") for file in files("mooring.recipes").iterdir() if ".toml" in file.name)


def forms(name: str) -> list[type[Algorithm]]:
    """Every algorithm of that name: its continuous and its discrete form."""
    return [registry.load_class(entry) for entry in registry.forms(name)]


def fits(form: type[Algorithm], settings: dict[str, object]) -> bool:
    try:
        form(**settings)
    except (TypeError, BadInput):  # no such field, or a value that settings.check refuses
        return False
    return True


@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_fits_a_form_of_its_algorithm(name):
    for pattern, each in recipes(name).items():
        assert any(fits(form, each.settings) for form in forms(name)), f"{name}.toml, {pattern!r}: {each.settings}"
        assert each.source.count(":") >= 1
        assert each.steps is None or each.steps > 0


@pytest.mark.parametrize("name", NAMES)
def test_recipes_hold_only_what_differs_from_the_defaults(name):
    for pattern, each in recipes(name).items():
        form = next(form for form in forms(name) if fits(form, each.settings))
        same = {key for key, value in each.settings.items() if getattr(form(), key) == value}
        assert not same, f"{name}.toml, {pattern!r} repeats {same}"


@pytest.mark.parametrize("name", NAMES)
def test_every_reward_is_one_that_data_sets_know(name):
    data = Dataset.build(np.ones((2, 1)), np.zeros(2, int), np.arange(2.0), [True, True], next_obs=np.ones((2, 1)))
    for each in recipes(name).values():
        data.with_reward(each.reward or "none")


@pytest.mark.parametrize("name", NAMES)
def test_every_pattern_is_for_some_data_set(name):
    known = [*catalog.entries(), "pointmass-easy", "pointmass-medium", "pointmass-hard"]
    chosen = [recipe(name, each) for each in known]
    unused = [pattern for pattern, each in recipes(name).items() if each not in chosen]
    assert not unused, f"{name}.toml: no data set is named as {unused}"


def test_settings_that_fit_no_field_or_range_are_found():
    (form,) = forms("td3-bc")
    assert fits(form, {"alpha": 1.0})
    assert not fits(form, {"alfa": 1.0})
    assert not fits(form, {"alpha": -1.0})


def test_the_most_specific_table_wins_alone(monkeypatch):
    tables = {"*": 1, "hopper-*|walker2d-*": 2, "hopper-medium-*": 3, "ant-v2|hopper-medium-v2": 4}
    stored = {pattern: Recipe({"batch_size": size}, source="a:b") for pattern, size in tables.items()}
    monkeypatch.setattr("mooring.recipes.recipes", lambda name: stored)
    names = ("pen-human-v1", "walker2d-expert-v2", "hopper-medium-replay-v2", "hopper-medium-v2")
    assert [recipe("any", name).settings["batch_size"] for name in names] == [1, 2, 3, 4]


def test_published_settings_of_iql():
    assert recipe("iql", "hopper-medium-v2")[:3] == ({}, 1_000_000, "return_range")
    large = recipe("iql", "antmaze-large-play-v2")
    assert large.settings == {"expectile": 0.9, "temperature": 10.0}
    assert large.reward == "minus_one"
    assert large.source.startswith("ikostrikov/implicit_q_learning:configs/antmaze_config.py")


def test_lists_become_tuples():
    assert recipe("double-dqn", "pointmass-easy").settings["hidden"] == (64, 64)


@pytest.mark.parametrize("names", [("iql", "my-own-data"), ("my-own-method", "hopper-medium-v2")])
def test_where_nothing_is_published_the_recipe_is_empty(names):
    assert recipe(*names) == Recipe({})


def test_reading_recipes_does_not_import_jax():
    code = "import sys; from mooring.recipes import recipe; assert recipe('iql', 'pen-human-v1'); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"jax", "numpy"} & set(loaded)
