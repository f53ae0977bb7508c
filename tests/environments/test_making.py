import sys

import gymnasium
import jax.numpy as jnp
import numpy as np
import pytest

from mooring import types
from mooring.environments.making import check_spaces, make, versions
from mooring.errors import BadInput

USER_FILE = """
import gymnasium
from mooring.environments.gymnasium_pointmass import PointmassEnv

def env():
    return gymnasium.wrappers.TimeLimit(PointmassEnv("easy"), 7)

def wrong():
    return "an environment"
"""


def box(low, high) -> types.Box:
    low, high = jnp.asarray(low, jnp.float32), jnp.asarray(high, jnp.float32)
    return types.Box(low, high, jnp.zeros_like(low), jnp.ones_like(low))


def spec(obs, action) -> types.Spec:
    return types.Spec(obs, action, types.scalar(1.0), types.scalar(0.0), 50)


class Fixed(gymnasium.Env):
    """An environment of which only the spaces matter."""

    def __init__(self, obs, action):
        self.observation_space, self.action_space = obs, action


@pytest.mark.parametrize("env_id", ["CartPole-v1", "mooring/Pointmass-hard-v0", "mooring/Pointmass-easy-dense-v0"])
def test_makes_what_exists(env_id):
    with make(env_id) as env:
        obs, _ = env.reset(seed=0)
        assert obs in env.observation_space
        assert env.spec.id == env_id


def test_limit_of_steps_is_registered():
    assert make("mooring/Pointmass-medium-v0").spec.max_episode_steps == 150


@pytest.mark.parametrize("version", ["v4", "v5"])
def test_mujoco_without_advice_to_change_versions(version):
    pytest.importorskip("mujoco")
    pytest.importorskip("imageio")
    with make(f"Hopper-{version}") as env:
        assert env.spec.id == f"Hopper-{version}"


@pytest.mark.parametrize(
    ("env_id", "near"),
    [
        ("Hoper-v5", "Hopper-v5"),
        ("CartPole-v9", "CartPole-v"),
        ("mooring/Pointmass-meduim-v0", "mooring/Pointmass-medium-v0"),
        ("no such thing", "known: "),
    ],
)
def test_unknown_id(env_id, near):
    with pytest.raises(BadInput, match=near) as caught:
        make(env_id)
    assert str(caught.value).startswith(f"environment {env_id!r}: does not exist")


def test_missing_package_of_others():
    with pytest.raises(BadInput, match="no_such_package"):
        make("no_such_package:Env-v0")


def test_missing_gymnasium(monkeypatch):
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    with pytest.raises(BadInput, match=r"pip install 'mooring\[gym\]'"):
        make("CartPole-v1")


def test_missing_mujoco(monkeypatch):
    loaded = [
        name for name in sys.modules if name.split(".")[0] == "mujoco" or name.startswith("gymnasium.envs.mujoco")
    ]
    for name in loaded:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mujoco", None)
    with pytest.raises(BadInput, match=r"environment 'Hopper-v5': needs .*pip install 'mooring\[mujoco\]'"):
        make("Hopper-v5")


def test_user_file(tmp_path):
    (tmp_path / "my_env.py").write_text(USER_FILE)
    env = make(f"{tmp_path}/my_env.py:env")
    env.reset(seed=0)
    flags = [env.step(0)[2:4] for _ in range(7)]
    assert flags == [(False, False)] * 6 + [(False, True)]
    with pytest.raises(BadInput, match="returned a str; expected a gymnasium"):
        make(f"{tmp_path}/my_env.py:wrong")


def test_versions():
    found = versions()
    assert found["gymnasium"] == gymnasium.__version__
    assert set(found) <= {"gymnasium", "mujoco"}


FLOATS = gymnasium.spaces.Box(-np.inf, np.inf, (3,))
TORQUE = gymnasium.spaces.Box(-2.0, 2.0, (1,))
PIXELS = gymnasium.spaces.Box(0, 255, (8, 8, 3), np.uint8)


@pytest.mark.parametrize(
    ("obs", "action", "own_obs", "own_action"),
    [
        (FLOATS, TORQUE, box([-1, -1, -1], [1, 1, 1]), box([-2], [2])),
        (FLOATS, gymnasium.spaces.Discrete(4), box([0, 0, 0], [1, 1, 1]), types.Discrete(4)),
        (gymnasium.spaces.Discrete(7), gymnasium.spaces.Discrete(4), types.Discrete(7), types.Discrete(4)),
        (
            gymnasium.spaces.Dict(view=PIXELS, speed=FLOATS),
            TORQUE,
            {"speed": box([0, 0, 0], [1, 1, 1]), "view": types.Image((8, 8, 3))},
            box([-2], [2]),
        ),
    ],
)
def test_equal_spaces_pass(obs, action, own_obs, own_action):
    check_spaces(Fixed(obs, action), spec(own_obs, own_action))


@pytest.mark.parametrize(
    ("obs", "action", "own_obs", "own_action", "message"),
    [
        (
            FLOATS,
            TORQUE,
            box([0, 0], [1, 1]),
            box([-2], [2]),
            "observations: 3 floats; expected as in the data: 2 floats",
        ),
        (
            FLOATS,
            TORQUE,
            box([0, 0, 0], [1, 1, 1]),
            box([-1], [1]),
            "actions: 1 floats within -2 and 2; expected as in the data: 1 floats within -1 and 1",
        ),
        (
            FLOATS,
            gymnasium.spaces.Discrete(3),
            box([0, 0, 0], [1, 1, 1]),
            types.Discrete(4),
            "actions: one of the integers 0 to 2; expected as in the data: one of the integers 0 to 3",
        ),
        (FLOATS, gymnasium.spaces.Discrete(4, start=1), box([0] * 3, [1] * 3), types.Discrete(4), "1 to 4; .* 0 to 3"),
        (FLOATS, TORQUE, box([0] * 3, [1] * 3), types.Discrete(4), "1 floats within -2 and 2; .* integers 0 to 3"),
        (PIXELS, TORQUE, types.Image((8, 8, 1)), box([-2], [2]), r"images \(8, 8, 3\); .* images \(8, 8, 1\)"),
        (
            gymnasium.spaces.Dict(a=FLOATS),
            TORQUE,
            {"b": box([0] * 3, [1] * 3)},
            box([-2], [2]),
            "{a: 3 floats}; .*{b: ",
        ),
    ],
)
def test_differing_spaces_are_refused(obs, action, own_obs, own_action, message):
    with pytest.raises(BadInput, match=message):
        check_spaces(Fixed(obs, action), spec(own_obs, own_action))
