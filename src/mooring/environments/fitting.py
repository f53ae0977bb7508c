"""Whether an environment is what data, or a policy, is for: its spaces beside theirs, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mooring import types
from mooring.errors import BadInput

if TYPE_CHECKING:
    import gymnasium

    from mooring.environments.making import Env


def check_spaces(env: Env, spec: types.Spec) -> None:
    """Raises BadInput, with both, where an environment's observations or actions are not what the data has.

    The bounds of actions count; those of observations do not, since few data sets record them.
    """
    name = env.spec.id if env.spec else type(env.unwrapped).__name__
    pairs = {
        "observations": (_env_form(env.observation_space), form(spec.obs)),
        "actions": (_env_form(env.action_space, bounds=True), form(spec.action, bounds=True)),
    }
    for what, (found, expected) in pairs.items():
        if found != expected:
            raise BadInput(f"environment {name}, {what}", found, f"as in the data: {expected}")


def form(space: types.ObsSpace, bounds: bool = False) -> str:
    """What a space is, in words; two are the same where these are."""
    if isinstance(space, dict):
        return _parts({name: form(part) for name, part in space.items()})
    if isinstance(space, types.Discrete):
        return _integers(0, space.n)
    if isinstance(space, types.Image):
        return _image(space.shape)
    return _floats(np.asarray(space.low), np.asarray(space.high), bounds)


def _env_form(space: gymnasium.Space[Any], bounds: bool = False) -> str:
    from gymnasium import spaces

    if isinstance(space, spaces.Dict):
        return _parts({name: _env_form(part) for name, part in space.items()})
    if isinstance(space, spaces.Discrete):
        return _integers(int(space.start), int(space.n))
    if isinstance(space, spaces.Box) and len(space.shape) == 3 and space.dtype == np.uint8:
        return _image(space.shape)
    if isinstance(space, spaces.Box) and len(space.shape) == 1:
        return _floats(space.low, space.high, bounds)
    return str(space)


def _parts(forms: dict[str, str]) -> str:
    return "{" + ", ".join(f"{name}: {forms[name]}" for name in sorted(forms)) + "}"


def _integers(start: int, count: int) -> str:
    return f"one of the integers {start} to {start + count - 1}"


def _image(shape: tuple[int, ...]) -> str:
    return f"images {shape}"


def _floats(low: np.ndarray, high: np.ndarray, bounds: bool) -> str:
    within = f" within {_bound(low)} and {_bound(high)}" if bounds else ""
    return f"{len(low)} floats{within}"


def _bound(bound: np.ndarray) -> str:
    values = [f"{value:g}" for value in bound.astype(np.float32)]
    return values[0] if len(set(values)) == 1 else f"[{', '.join(values)}]"
