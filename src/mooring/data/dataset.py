"""`Dataset`: logged episodes as flat columns of N rows, checked once on the way in and then trusted."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar

import jax
import numpy as np
from jaxtyping import Bool, Float32, Int, Shaped

from mooring import types
from mooring.data import validation
from mooring.data.columns import checked_columns, shifted, take
from mooring.data.episodes import Episode, flat_columns
from mooring.data.spaces import ActionSpace, Bounds, DataSpace, ObsSpace
from mooring.data.validation import Obs
from mooring.errors import BadInput, unknown

FIXED_REWARDS = {
    "minus_one": (1.0, -1.0),
    "cql_antmaze": (4.0, -2.0),
    "cal_ql_antmaze": (10.0, -5.0),
    "rebrac_antmaze": (100.0, 0.0),
    "prdc_antmaze": (10_000.0, -1.0),
}
"""Scale and shift of transforms that do not look at the data, as methods published them."""
REWARD_TRANSFORMS = ("none", "return_range", *FIXED_REWARDS, "standardize")


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """N transitions of logged episodes, one after the other. Make one with `build` or `from_episodes`.

    `obs` and `next_obs` are float32 (N, O), uint8 images (N, H, W, C), int32 (N,), or a dict of those.
    `action` is float32 (N, A), or int32 (N,) where actions are discrete. `reward` is raw: learning sees
    reward_scale * reward + reward_shift. `last` marks the last row of each episode, whether it terminated, ran
    into a time limit, or was cut off by the end of the file. `extra` holds further columns (behavior
    log-probabilities, for one).

    `continues` multiplies the discount of the next value: 0 only where the MDP terminated, and 1 at a time limit as
    anywhere else. It lies in between where a row stands for more than one step of time: for a row of t steps it is
    discount^(t - 1), so that an algorithm's discount * continues is discount^t (irregular time, n-step rewards).

    `env` is a Gymnasium id, `score_range` the raw returns of a random and of an expert policy, and `horizon`
    the most steps of an episode. `labels` may hold names: of the entries of "obs", and of the entries of "action" or
    the choices that its integers stand for. `ahead` is how many rows after a row its `next_obs` is seen: 1 but for
    n-step rewards. `origin` is what `load` was given, where that was all that it took.
    """

    obs: Obs
    action: Shaped[np.ndarray, "N ..."]
    reward: Float32[np.ndarray, " N"]
    next_obs: Obs
    continues: Float32[np.ndarray, " N"]
    last: Bool[np.ndarray, " N"]
    obs_space: ObsSpace
    action_space: ActionSpace
    horizon: int
    name: str = "data"
    env: str | None = None
    score_range: tuple[float, float] | None = None
    reward_scale: float = 1.0
    reward_shift: float = 0.0
    extra: dict[str, np.ndarray] = field(default_factory=dict)
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    ahead: int = 1
    origin: str | None = None

    @classmethod
    def build(
        cls,
        obs: Any,
        action: Any,
        reward: Any,
        terminated: Any,
        truncated: Any = None,
        *,
        next_obs: Any = None,
        continues: Any = None,
        extra: Mapping[str, Any] | None = None,
        obs_space: ObsSpace | None = None,
        action_space: ActionSpace | None = None,
        horizon: int | None = None,
        name: str = "data",
        env: str | None = None,
        score_range: tuple[float, float] | None = None,
        labels: Mapping[str, Sequence[str]] | None = None,
        ahead: int = 1,
        where: str | None = None,
    ) -> Dataset:
        """Checks columns of N rows and puts them together; the only way in.

        `terminated` marks rows after which the MDP ended, `truncated` rows after which the log of an episode
        ended otherwise. Without `next_obs`, each row takes the observation of the row after it, a
        terminated row keeps its own, and the last row of an episode that did not terminate is dropped, since
        nothing tells what followed. Without `continues`, it is 1 where the MDP goes on; terminated rows have 0.

        Continuous actions with unknown bounds must lie within -1 and 1. Actions that are outside their bounds
        by no more than float32 rounding are clipped. `horizon` is at least the longest episode.

        Raises BadInput naming `where` (a file; else `name`), the field, the first bad row and the count.
        """
        where = where or name
        given = {"obs": obs, "action": action, "reward": reward, "terminated": terminated, "truncated": truncated}
        columns = checked_columns(given | {"next_obs": next_obs, "continues": continues, "extra": extra or {}}, where)
        columns["action"], space = validation.actions(columns["action"], action_space, where)
        if "next_obs" not in columns:
            columns = shifted(columns, where)
        last = columns["terminated"] | columns["truncated"]
        last[-1] = True
        data = cls(
            obs=columns["obs"],
            action=columns["action"],
            reward=columns["reward"],
            next_obs=columns["next_obs"],
            continues=columns["continues"],
            last=last,
            obs_space=validation.observation_space(columns["obs"], columns["next_obs"], obs_space, where),
            action_space=space,
            horizon=horizon or 0,
            name=name,
            env=env,
            score_range=score_range,
            extra=columns["extra"],
            labels={name: tuple(each) for name, each in (labels or {}).items()},
            ahead=ahead,
        )
        validation.check_labels(data.labels, {"obs": data.obs_space, "action": data.action_space}, where)
        return replace(data, horizon=max(data.horizon, int(data.lengths.max())))

    @classmethod
    def from_episodes(cls, episodes: Sequence[Episode], *, name: str = "data", **meta: Any) -> Dataset:
        """Episodes end to end. `meta` is what `build` takes beside columns: spaces, horizon, env, and so on.

        Raises BadInput as `build` does, and where an episode does not have one observation more than actions.
        """
        return cls.build(**flat_columns(episodes, meta.get("where") or name), name=name, **meta)

    def __len__(self) -> int:
        return len(self.reward)

    def __repr__(self) -> str:
        return f"Dataset({self.name!r}, {len(self)} rows, {self.num_episodes} episodes)"

    @cached_property
    def ends(self) -> Int[np.ndarray, " E"]:
        """The last row of each episode."""
        return np.flatnonzero(self.last)

    @cached_property
    def starts(self) -> Int[np.ndarray, " E"]:
        """The first row of each episode."""
        return np.concatenate([[0], self.ends[:-1] + 1])

    @cached_property
    def lengths(self) -> Int[np.ndarray, " E"]:
        """The number of rows of each episode."""
        return self.ends - self.starts + 1

    @cached_property
    def returns(self) -> Shaped[np.ndarray, " E"]:
        """The undiscounted sum of raw rewards of each episode, in float64."""
        return np.add.reduceat(self.reward.astype(np.float64), self.starts)

    @property
    def num_episodes(self) -> int:
        return len(self.ends)

    def spec(self) -> types.Spec:
        """What networks and normalizers need; means and standard deviations are computed in float64."""
        spaces = self.obs_space if isinstance(self.obs_space, dict) else {"": self.obs_space}
        described = {part: self._described(f"obs/{part}" if part else "obs", spaces[part]) for part in spaces}
        obs = described if isinstance(self.obs, dict) else described[""]
        action = self._described("action", self.action_space)
        assert not isinstance(action, types.Image)
        scale, shift = types.scalar(self.reward_scale), types.scalar(self.reward_shift)
        return types.Spec(obs, action, scale, shift, self.horizon, types.scalar(float(self.returns.max())))

    def _described(self, name: str, space: DataSpace) -> types.Space:
        """The space as networks see it: bounds get the data's mean and standard deviation."""
        if not isinstance(space, Bounds):
            return space
        mean, std = self.moments(name)
        return types.Box(*jax.device_put([np.array(each, np.float32) for each in (space.low, space.high, mean, std)]))

    def moments(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of a column (see `columns`), of each of its entries, in float64."""
        column = self.columns()[name]
        mean, std = column.mean(axis=0, dtype=np.float64), column.std(axis=0, dtype=np.float64)
        return np.asarray(mean), np.asarray(std)

    def column(self, name: str) -> np.ndarray:
        """A column by name: one of `extra`, or one that follows from the others.

        "next_action": the action of the row that next_obs is seen in, or of the episode's last row where that is none.
        "return_to_go": the undiscounted raw return from a row to its episode's end.
        "timestep": int32 within the episode. "row": int32 within the data set. Other names raise BadInput.
        These four win over a column of `extra` of the same name.
        """
        if name in self._derived:
            return self._derived[name](self)
        if name in self.extra:
            return self.extra[name]
        raise unknown("column", name, [*self._derived, *self.extra])

    def _next_action(self) -> np.ndarray:
        return self.action[np.minimum(np.arange(len(self)) + self.ahead, np.repeat(self.ends, self.lengths))]

    def _return_to_go(self) -> np.ndarray:
        so_far = np.cumsum(self.reward, dtype=np.float64)
        to_go = np.repeat(so_far[self.ends], self.lengths) - so_far + self.reward
        return to_go.astype(np.float32)

    def _timestep(self) -> np.ndarray:
        return (np.arange(len(self)) - np.repeat(self.starts, self.lengths)).astype(np.int32)

    def _row(self) -> np.ndarray:
        return np.arange(len(self), dtype=np.int32)

    _derived: ClassVar[dict[str, Callable[[Dataset], np.ndarray]]] = {
        types.NEXT_ACTION: _next_action,
        "return_to_go": _return_to_go,
        "timestep": _timestep,
        "row": _row,
    }

    def select(self, episodes: Sequence[int] | np.ndarray) -> Dataset:
        """The given episodes (indices, or one boolean per episode), in the given order."""
        picked = np.asarray(episodes)
        chosen = np.arange(self.num_episodes)[picked] if picked.size else picked
        if not len(chosen):
            raise BadInput(self.name, "no episode was selected", "at least one")
        lengths = self.lengths[chosen]
        offsets = np.cumsum(lengths) - lengths
        rows = np.repeat(self.starts[chosen] - offsets, lengths) + np.arange(lengths.sum())
        return replace(
            self,
            obs=take(self.obs, rows),
            action=self.action[rows],
            reward=self.reward[rows],
            next_obs=take(self.next_obs, rows),
            continues=self.continues[rows],
            last=self.last[rows],
            extra={name: column[rows] for name, column in self.extra.items()},
        )

    def top(self, fraction: float) -> Dataset:
        """The best episodes by undiscounted return: that fraction of all, rounded down, at least one.

        %BC counts episodes here, as CORL does; the Decision Transformer's code counts transitions instead.
        """
        if not 0 < fraction <= 1:
            raise BadInput("top", f"fraction {fraction}", "above 0 and at most 1")
        if fraction == 1:
            return self
        count = max(1, int(fraction * self.num_episodes + 1e-9))
        best = np.argsort(-self.returns, kind="stable")[:count]
        return self.select(np.sort(best))

    def with_reward(self, transform: str = "none", *, scale: float = 1.0, shift: float = 0.0) -> Dataset:
        """Records how learning sees rewards: scale * reward + shift. Raw rewards and returns stay.

        "return_range" scales by 1000 / (best - worst episode return), as IQL does on locomotion; "standardize" gives
        zero mean and unit variance, as EDAC does on Adroit. On AntMaze IQL takes r - 1 ("minus_one"), CQL 4 r - 2
        ("cql_antmaze"), Cal-QL 10 r - 5 ("cal_ql_antmaze"), ReBRAC 100 r ("rebrac_antmaze") and PRDC 10,000 r - 1
        ("prdc_antmaze"). "none" takes `scale` and `shift`.
        """
        if transform == "return_range":
            spread = float(self.returns.max() - self.returns.min())
            scale, shift = 1000.0 / _nonzero(spread, "every episode has the same return", self.name), 0.0
        elif transform in FIXED_REWARDS:
            scale, shift = FIXED_REWARDS[transform]
        elif transform == "standardize":
            mean, std = self.moments("reward")
            scale = 1.0 / _nonzero(float(std), "every reward is the same", self.name)
            shift = -float(mean) * scale
        elif transform != "none":
            raise unknown("reward transform", transform, REWARD_TRANSFORMS)
        return replace(self, reward_scale=scale, reward_shift=shift)

    def columns(self) -> dict[str, np.ndarray]:
        """Every stored column by its name; parts of dicts are "obs/part" and "extra/name"."""
        named: dict[str, np.ndarray] = {}
        for name in ("obs", "action", "reward", "next_obs", "continues", "last", "extra"):
            column = getattr(self, name)
            if isinstance(column, dict):
                named |= {f"{name}/{part}": column[part] for part in sorted(column)}
            else:
                named[name] = column
        return named

    def fingerprint(self) -> str:
        """SHA-256, in hex, of each column's name, dtype, shape and own SHA-256."""

        def described(column: np.ndarray) -> tuple[np.dtype[Any], tuple[int, ...], str]:
            return column.dtype, column.shape, hashlib.sha256(np.ascontiguousarray(column).data).hexdigest()

        return joint_fingerprint({name: described(column) for name, column in self.columns().items()})


def joint_fingerprint(columns: Mapping[str, tuple[np.dtype[Any], tuple[int, ...], str]]) -> str:
    """The fingerprint of columns by the dtype, the shape and the SHA-256 of each."""
    lines = [f"{name} {dtype.str} {shape} {digest}\n" for name, (dtype, shape, digest) in columns.items()]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _nonzero(value: float, trouble: str, where: str) -> float:
    if value == 0:
        raise BadInput(where, f"{trouble}, so rewards can not be scaled by it", fix="give scale and shift")
    return value
