"""Small data sets of every kind that a format may have to hold."""

from typing import Any

import numpy as np

from mooring.data import Bounds, Dataset, Discrete

ROWS = 9


def sample(kind: str) -> Dataset:
    """Three episodes: a termination, a time limit, a tail cut off by the end."""
    return Dataset.build(**_columns(kind))


def _columns(kind: str) -> dict[str, Any]:
    draw = np.random.default_rng(0)
    terminated, truncated = np.zeros(ROWS, bool), np.zeros(ROWS, bool)
    terminated[2], truncated[6] = True, True
    obs, next_obs = _chain(lambda rows: draw.normal(size=(rows, 3)).astype(np.float32))
    columns: dict[str, Any] = {
        "obs": obs,
        "next_obs": next_obs,
        "action": np.tanh(draw.normal(size=(ROWS, 2))),
        "reward": draw.normal(size=ROWS),
        "terminated": terminated,
        "truncated": truncated,
        "name": "sample",
    }
    return (
        columns
        | {
            "continuous": lambda: {"action_space": Bounds.of(-1, 1, 2)},
            "discrete": lambda: {"action": np.arange(ROWS) % 3, "action_space": Discrete(3)},
            "whole numbers": lambda: {
                "action": np.ones((ROWS, 2)),
                "reward": np.arange(ROWS),
                "obs": np.zeros((ROWS, 1)),
                "next_obs": np.zeros((ROWS, 1)),
            },
            "dict": lambda: _dict(draw),
            "images": lambda: dict(
                zip(
                    ("obs", "next_obs"),
                    _chain(lambda rows: draw.integers(0, 256, (rows, 8, 8, 3), np.uint8)),
                    strict=True,
                )
            ),
            "integers": lambda: dict(zip(("obs", "next_obs"), _chain(lambda rows: np.arange(rows) % 5), strict=True)),
            "extra": lambda: {
                "extra": {
                    "action_log_prob": draw.normal(size=ROWS),
                    "whole": np.arange(ROWS, dtype=np.float32),
                    "tag": np.arange(ROWS),
                    "flag": np.arange(ROWS) % 2 == 0,
                    "pair": draw.normal(size=(ROWS, 2)),
                }
            },
            "several steps": lambda: {"continues": np.where(terminated, 0, draw.uniform(0.1, 1, ROWS))},
            "described": lambda: {
                "env": "CartPole-v1",
                "score_range": (1.5, 2.5),
                "horizon": 77,
                "action": 2 * np.tanh(draw.normal(size=(ROWS, 2))),
                "action_space": Bounds.of(-2, [2, 3], 2),
                "obs_space": Bounds.of([-np.inf, -9, -9], 9, 3),
                "labels": {"obs": ("heart rate", "age", "dose"), "action": ("left", "right")},
            },
        }[kind]()
    )


def _chain(make: Any) -> tuple[Any, Any]:
    """Observations, and those that follow, of episodes of 3, 4 and 2 steps."""
    episodes = [make(steps + 1) for steps in (3, 4, 2)]
    return np.concatenate([each[:-1] for each in episodes]), np.concatenate([each[1:] for each in episodes])


def _dict(draw: np.random.Generator) -> dict[str, Any]:
    chains = {
        "goal": _chain(lambda rows: draw.normal(size=(rows, 2))),
        "room": _chain(lambda rows: np.arange(rows) % 4),
    }
    return {
        "obs": {part: chain[0] for part, chain in chains.items()},
        "next_obs": {part: chain[1] for part, chain in chains.items()},
        "obs_space": {"room": Discrete(6)},
    }


KINDS = ("continuous", "discrete", "whole numbers", "dict", "images", "integers", "extra", "several steps", "described")
