"""The one place where environments are made: Gymnasium's, Mooring's own, and a user's `my_env.py:make`."""

from __future__ import annotations

import warnings
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from mooring import types
from mooring.environments import domains
from mooring.errors import BadInput, missing_extra, unknown
from mooring.user_files import is_reference, load_object

if TYPE_CHECKING:
    import gymnasium

    Env = gymnasium.Env[Any, Any]


def make(env_id: str, render_mode: str | None = None) -> Env:
    """A fresh environment. The caller closes it. With the `render_mode` "rgb_array", most draw pictures.

    `env_id` is an id of Gymnasium ("Hopper-v5"), of a package that registers there ("package:Name-v0"), of Mooring
    ("mooring/Pointmass-easy-v0", also -medium and -hard, also -easy-dense and so on), or a user's file and a
    function in it that takes nothing and returns a Gymnasium environment ("my_env.py:make").

    Raises BadInput where the id is unknown, or where a package that it needs is not installed.
    """
    gymnasium, options = _gymnasium(env_id), {"render_mode": render_mode} if render_mode else {}
    if is_reference(env_id):
        return _made_by_user(env_id, gymnasium)
    try:
        with warnings.catch_warnings():
            # The data decides the version: a newer one can have other physics, rewards or observations.
            warnings.filterwarnings("ignore", message=".*is out of date")
            return domains.adapted(gymnasium.make(env_id, **options))
    except gymnasium.error.DependencyNotInstalled as error:
        raise _missing(env_id, gymnasium, str(error)) from error
    except ImportError as error:
        raise _missing(env_id, gymnasium, str(error)) from error
    except gymnasium.error.Error as error:
        if env_id in gymnasium.registry:
            raise
        raise unknown("environment", env_id, gymnasium.registry) from error


def versions() -> dict[str, str]:
    """The installed versions of Gymnasium and MuJoCo, to stand beside each score: physics differ between them."""
    found = {}
    for package in ("gymnasium", "mujoco"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


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


def _gymnasium(env_id: str) -> ModuleType:
    """Gymnasium, with Mooring's environments and those of real domains registered."""
    try:
        import gymnasium
    except ImportError as error:
        raise missing_extra("gymnasium", "gym", f"environment {env_id!r}") from error
    from mooring.environments import gymnasium_pointmass

    gymnasium_pointmass.register()
    domains.register(gymnasium)
    return gymnasium


def _made_by_user(reference: str, gymnasium: ModuleType) -> Env:
    env = load_object(reference)()
    if not isinstance(env, gymnasium.Env):
        raise BadInput(f"environment {reference}", f"returned a {type(env).__name__}", "a gymnasium.Env")
    return env


def _missing(env_id: str, gymnasium: ModuleType, trouble: str) -> BadInput:
    """The error for an environment whose own packages are missing."""
    spec = gymnasium.registry.get(env_id)
    if spec and "mujoco" in str(spec.entry_point) and "moved" not in trouble:
        return missing_extra("mujoco", "mujoco", f"environment {env_id!r}")
    return BadInput(f"environment {env_id!r}", trouble)


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
