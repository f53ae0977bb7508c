"""The one place where environments are made: Gymnasium's, Mooring's own, and a user's `my_env.py:make`. Without JAX."""

from __future__ import annotations

import warnings
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import TYPE_CHECKING, Any

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
