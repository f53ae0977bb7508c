"""What all contenders train, each in its own words: the rows, the settings of a method and the shapes of its networks.

Settings are named as Mooring's are and have the values of each method's publication, which are Mooring's defaults (a
test compares them). This file needs NumPy alone: contenders live in environments of their own.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

OBS, ACTIONS, CHOICES = 11, 3, 5  # Hopper's; the last is the number of discrete actions
ROWS, HORIZON = 50_000, 500

SOFT = {"discount": 0.99, "learning_rate": 3e-4, "target_rate": 5e-3, "batch_size": 256, "hidden": (256, 256, 256)}
SETTINGS: dict[str, dict[str, Any]] = {
    "td3-bc": {
        "alpha": 2.5,
        "discount": 0.99,
        "learning_rate": 3e-4,
        "target_rate": 5e-3,
        "target_noise": 0.2,
        "noise_clip": 0.5,
        "actor_delay": 2,
        "batch_size": 256,
        "hidden": (256, 256),
    },
    "iql": {
        "discount": 0.99,
        "expectile": 0.7,
        "temperature": 3.0,
        "advantage_clip": 100.0,
        "learning_rate": 3e-4,
        "target_rate": 5e-3,
        "decay_steps": 1_000_000,
        "batch_size": 256,
        "hidden": (256, 256),
    },
    "cql": {**SOFT, "alpha": 5.0, "actor_learning_rate": 1e-4, "samples": 10, "critics": 2, "target_entropy": -1.0},
    "sac-n": {**SOFT, "critics": 10, "target_entropy": -1.0},
    "edac": {**SOFT, "critics": 10, "target_entropy": -1.0, "diversity": 1.0},
    "dt": {
        "return_scale": 1000.0,
        "learning_rate": 1e-4,
        "warmup": 1e4,
        "weight_decay": 1e-4,
        "clip": 0.25,
        "dropout": 0.1,
        "context": 20,
        "layers": 3,
        "heads": 1,
        "width": 128,
        "batch_size": 64,
    },
    "discrete-cql": {
        "alpha": 1.0,
        "discount": 0.99,
        "learning_rate": 5e-5,
        "target_period": 2_000,
        "batch_size": 32,
        "hidden": (256, 256),
    },
    "awac": {
        "temperature": 1.0,
        "weight_clip": 100.0,
        "discount": 0.99,
        "learning_rate": 3e-4,
        "weight_decay": 1e-4,
        "target_rate": 5e-3,
        "batch_size": 1024,
        "hidden": (256, 256),
        "actor_hidden": (256, 256, 256, 256),
    },
    "bcq": {
        "perturbation": 0.05,
        "smallest_share": 0.75,
        "kl_weight": 0.5,
        "discount": 0.99,
        "learning_rate": 1e-3,
        "target_rate": 5e-3,
        "target_samples": 10,
        "batch_size": 100,
        "hidden": (400, 300),
        "vae_hidden": (750, 750),
    },
    "bear": {
        "bandwidth": 10.0,
        "threshold": 0.05,
        "smallest_share": 0.75,
        "kl_weight": 0.5,
        "discount": 0.99,
        "learning_rate": 1e-3,
        "target_rate": 5e-3,
        "match_samples": 5,
        "target_samples": 10,
        "batch_size": 100,
        "hidden": (400, 300),
        "vae_hidden": (750, 750),
    },
}
STANDARDIZED = ("td3-bc", "dt")  # see observations less their mean, over their standard deviation + 1e-3


@dataclass(frozen=True)
class Work:
    """One method with its settings, and how many members learn at once (each from its own seed)."""

    method: str
    settings: dict[str, Any]
    seeds: int = 1

    @classmethod
    def of(cls, method: str, seeds: int = 1, **changes: Any) -> "Work":
        """With the settings of its publication but for the changes; lists count as tuples, as JSON has no others."""
        fixed = {name: tuple(value) if isinstance(value, list) else value for name, value in changes.items()}
        return cls(method, {**SETTINGS[method], **fixed}, seeds)

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["settings"][name]
        except KeyError as missing:
            raise AttributeError(name) from missing

    @property
    def discrete(self) -> bool:
        return self.method == "discrete-cql"


def rows(discrete: bool) -> dict[str, np.ndarray]:
    """Columns of 100 episodes of 500 steps of noise, none of which terminates: speed does not depend on the data."""
    draw = np.random.default_rng(0)
    obs = draw.normal(size=(ROWS, OBS)).astype(np.float32)
    action = np.tanh(draw.normal(size=(ROWS, ACTIONS))).astype(np.float32)
    if discrete:
        action = draw.integers(0, CHOICES, ROWS)
    reward = draw.normal(size=ROWS).astype(np.float32)
    return {"obs": obs, "action": action, "reward": reward, "truncated": np.arange(ROWS) % HORIZON == HORIZON - 1}


def standardized(obs: np.ndarray) -> np.ndarray:
    return (obs - obs.mean(axis=0)) / (obs.std(axis=0) + 1e-3)
