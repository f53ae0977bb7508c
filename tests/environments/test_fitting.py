import gymnasium
import jax.numpy as jnp
import numpy as np
import pytest

from mooring import types
from mooring.environments.fitting import check_spaces
from mooring.errors import BadInput


def box(low, high) -> types.Box:
    low, high = jnp.asarray(low, jnp.float32), jnp.asarray(high, jnp.float32)
    return types.Box(low, high, jnp.zeros_like(low), jnp.ones_like(low))


def spec(obs, action) -> types.Spec:
    return types.Spec(obs, action, types.scalar(1.0), types.scalar(0.0), 50)


class Fixed(gymnasium.Env):
    """An environment of which only the spaces matter."""

    def __init__(self, obs, action):
        self.observation_space, self.action_space = obs, action


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
