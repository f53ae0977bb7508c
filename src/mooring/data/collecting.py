"""Data made at will: policies rolled out, and the whole log of one that learns while it acts.

The levels are those of D4RL (Fu et al. 2020, arXiv 2004.07219, section 4): a policy is trained online; "expert" are
rollouts of it at its best, "medium" of what it was when it first came a third of the way from random to that,
"medium-replay" is all that it had lived by then, and "full-replay" to its end.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from mooring.data.catalog import score_range_of_env
from mooring.data.changes import concatenate
from mooring.data.dataset import Dataset
from mooring.data.pointmass import SCORE_RANGES
from mooring.data.spaces import ActionSpace, Bounds, ObsSpace, actions_of, observations_of
from mooring.environments.fitting import check_spaces
from mooring.environments.making import make
from mooring.environments.mazes import named_in
from mooring.environments.players import Players, Rows, seed_of
from mooring.errors import BadInput
from mooring.evaluation.rollouts import rollout, spec_of
from mooring.hooks.collect import Collect
from mooring.hooks.keep import KeepPolicies
from mooring.loop import stack
from mooring.pace import BLOCK, Pace
from mooring.policies import UniformPolicy
from mooring.runs import RunFolder, load_policy
from mooring.sources import Replay, to_device
from mooring.training import Trained, train
from mooring.types import Algorithm, Box, Policy

LEVELS = ("random", "medium", "medium-replay", "expert", "medium-expert", "full-replay")
MEDIUM = 1 / 3
"""Of the way from the random return to the expert's; D4RL says "approximately 1/3 the performance of the expert"."""
Tell = Callable[[int, int], None]
"""Takes how many of how many steps are made."""


KEPT = "kept"
"""Where in a run's folder the policies of the past lie."""


class Task(NamedTuple):
    """What a data set says of the environment that it is from."""

    env: str
    obs_space: ObsSpace
    action_space: ActionSpace
    horizon: int
    score_range: tuple[float, float] | None

    @classmethod
    def of(cls, env_id: str) -> Task:
        """Raises BadInput where the environment is unknown, or its spaces are none that data sets have."""
        env = make(env_id)
        obs, action = observations_of(env.observation_space), actions_of(env.action_space)
        horizon, start = env.spec.max_episode_steps if env.spec else None, getattr(env.action_space, "start", 0)
        env.close()
        for space, found in ((env.observation_space, obs), (env.action_space, action)):
            if found is None:
                raise BadInput(f"environment {env_id}", f"has a space {space}", "float vectors, integers or images")
        if (isinstance(action, Bounds) and not action.finite) or start != 0:
            raise BadInput(f"environment {env_id}", f"its actions are {env.action_space}", "bounded, or counted from 0")
        assert obs is not None
        assert action is not None
        return cls(env_id, obs, action, horizon or 0, _score_range(env_id))

    def dataset(self, rows: Rows, name: str, envs: int, first: int = 0) -> Dataset:
        """Rows (B, ...) of one member as episodes: all but the first ones come from `envs` environments in turn.

        Episodes under way at the end are cut there, as if by a time limit.
        """
        place = (np.arange(len(rows.reward)) - first) % envs
        place[:first] = -1  # they are in order
        last = rows.last.copy()
        last[max(first, len(last) - envs) :] = True
        order = np.argsort(place, kind="stable")
        columns = jax.tree.map(lambda column: column[order], rows._replace(last=last))
        terminated = columns.continues == 0
        known = {} if columns.action_log_prob is None else {"action_log_prob": columns.action_log_prob}
        return Dataset.build(
            columns.obs,
            columns.action,
            columns.reward,
            terminated,
            columns.last & ~terminated,
            next_obs=columns.next_obs,
            extra=known,
            name=name,
            **self._asdict(),
        )


def uniform_policy(task: Task) -> UniformPolicy:
    """The policy that takes every action of the environment alike."""
    space = task.action_space
    if isinstance(space, Bounds):
        low, high = jnp.asarray(space.low), jnp.asarray(space.high)
        return UniformPolicy(Box(low, high, (low + high) / 2, (high - low) / jnp.sqrt(12.0)))
    return UniformPolicy(space)


def saved_policy(path: Path, task: Task) -> Policy:
    """The policy in a file that a run saved. Raises BadInput where it is not for the environment."""
    policy = load_policy(path)
    spec = spec_of(policy)
    if spec is not None:
        with closing(make(task.env)) as env:
            check_spaces(env, spec)
    return policy


def roll_out(
    policy: Policy, task: Task, steps: int, name: str, *, envs: int = 1, seed: int = 0, tell: Tell | None = None
) -> Dataset:
    """`steps` steps of a policy, its actions sampled, in `envs` environments together; the same for the same seed."""
    if steps < 1:
        raise BadInput("steps", f"found {steps}", "at least 1")
    policies, envs = stack([policy]), min(envs, steps)
    players, parts = Players(task.env, 1, envs, seed), []
    rounds = -(-steps // envs)
    try:
        while players.step < rounds:
            parts.append(players.play(policies, min(BLOCK, rounds - players.step)))
            if tell:
                tell(min(players.step * envs, steps), steps)
    finally:
        players.close()
    rows = jax.tree.map(lambda *columns: np.concatenate(columns, axis=1)[0, :steps], *parts)
    return task.dataset(rows, name, envs)


@dataclass(frozen=True)
class Plan:
    """How a policy learns while it acts. All counts but `envs` and `episodes` are of steps in the environment."""

    algorithm: Algorithm
    steps: int  # in all, the random ones among them
    warm_up: int  # random steps before the first update
    envs: int = 1
    ratio: float = 1.0  # updates for each step
    seed: int = 0
    evaluate_every: int = 5_000
    episodes: int = 10
    save_every: int = 10_000

    def __post_init__(self) -> None:
        for name in ("warm_up", "envs", "evaluate_every", "episodes", "save_every"):
            if getattr(self, name) < 1:
                raise BadInput(name, f"found {getattr(self, name)}", "at least 1")
        if self.steps <= self.warm_up:
            raise BadInput("steps of training", f"found {self.steps}", f"more than the {self.warm_up} random ones")
        if self.ratio <= 0:
            raise BadInput("ratio", f"found {self.ratio}", "above 0")

    @property
    def pace(self) -> Pace:
        return Pace(self.envs, self.ratio)

    @property
    def blocks(self) -> int:
        return self.pace.blocks(self.steps - self.warm_up)


def learn(plan: Plan, task: Task, folder: Path, resume: bool = False, progress: bool = False) -> Life:
    """Trains online from random steps on, in a run's folder; policies are kept wherever they are evaluated.

    A killed run goes on with `resume` and ends bit for bit where an unbroken one ends, rows and all.
    """
    first = roll_out(
        uniform_policy(task), task, plan.warm_up, "warm-up", envs=plan.envs, seed=_seed(plan.seed, "warm-up")
    )
    capacity = plan.warm_up + plan.blocks * plan.pace.block
    evaluate_every = plan.pace.updates(plan.evaluate_every)
    collect = Collect(task.env, plan.pace.every, plan.pace.block, plan.envs, _seed(plan.seed, "collect"))
    try:
        trained = train(
            plan.algorithm,
            first,
            plan.blocks * plan.pace.every,
            seeds=[plan.seed],
            env=task.env,
            evaluate_every=evaluate_every,
            episodes=plan.episodes,
            folder=folder,
            resume=resume,
            save_every=plan.pace.updates(plan.save_every),
            progress=progress,
            hooks=[collect, KeepPolicies(evaluate_every, folder / KEPT, plan.algorithm)],
            source=_buffer(plan, first, capacity),
        )
    finally:
        collect.close()
    return Life(plan, task, trained)


def _buffer(plan: Plan, first: Dataset, capacity: int) -> Replay:
    """A replay buffer for all that will be lived, with what a data set needs beyond what is learned from."""

    def told(obs: PyTree, action: Array) -> Array | None:
        policy = plan.algorithm.policy(plan.algorithm.init(jax.random.key(0), first.spec()))
        return policy.log_prob(policy.begin(), obs, action)

    obs, action = jax.tree.map(lambda column: jnp.asarray(column[0]), (first.obs, first.action))
    rows = to_device(first, () if jax.eval_shape(told, obs, action) is None else ("action_log_prob",))
    return Replay(replace(rows, extra={**rows.extra, "last": jnp.asarray(first.last)}), capacity)


@dataclass(frozen=True)
class Life:
    """What a training left: everything that was lived, the policies that were kept, and how good they were."""

    plan: Plan
    task: Task
    trained: Trained
    _made: dict[tuple[str, int], Dataset] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def random_return(self) -> float:
        """The mean return of random actions, over as many episodes as each policy was evaluated in."""
        played = rollout(stack([uniform_policy(self.task)]), self.task.env, self.plan.episodes, sampled=True)
        return float(played.returns.mean())

    @cached_property
    def returns(self) -> dict[int, float]:
        """The mean greedy return of each policy that was kept, by the updates made; diverged ones are left out."""
        rows = [row for row in self.trained.rows if row["kind"] == "evaluate"]
        finite = {row["step"]: row["return"][0] for row in rows if np.isfinite(row["return"][0])}
        if not finite:
            raise BadInput(f"policies of {self.task.env}", "all of them diverged", "one that acts")
        return finite

    @property
    def expert(self) -> int:
        """The updates after which the policy was at its best."""
        return max(self.returns, key=lambda step: self.returns[step])

    @property
    def medium(self) -> int:
        """The updates after which it first was a third of the way from random to expert."""
        best = self.returns[self.expert]
        if not best > self.random_return:
            found = f"returns {best:.5g} at best, the random policy {self.random_return:.5g}"
            raise BadInput("level medium", f"the policy {found}", "one that learned something", "train for more steps")
        enough = self.random_return + MEDIUM * (best - self.random_return)
        return min(step for step, value in self.returns.items() if value >= enough)

    def dataset(self, level: str, steps: int, tell: Tell | None = None) -> Dataset:
        """The data set of a level; of those that are rolled out `steps` steps, of medium-expert twice that."""
        name = f"{self.task.env}-{level}"
        if level == "medium-expert":
            return concatenate([self.dataset(half, steps, tell) for half in level.split("-")], name)
        if level == "full-replay":
            return self.lived(self.plan.steps, name)
        if level == "medium-replay":
            blocks = self.medium // self.plan.pace.every
            return self.lived(min(self.plan.warm_up + blocks * self.plan.pace.block, self.plan.steps), name)
        if (level, steps) not in self._made:  # medium-expert needs two of the others again
            policy, seed = self._policy(level), _seed(self.plan.seed, level)
            data = roll_out(policy, self.task, steps, name, envs=self.plan.envs, seed=seed, tell=tell)
            self._made[level, steps] = data
        return self._made[level, steps]

    def _policy(self, level: str) -> Policy:
        if level == "random":
            return uniform_policy(self.task)
        updates = self.expert if level == "expert" else self.medium
        assert self.trained.folder is not None
        folder = self.trained.folder / KEPT / str(updates)
        return load_policy(RunFolder(folder).policy_file(self.trained.members[0]), self.plan.algorithm)

    def lived(self, steps: int, name: str) -> Dataset:
        """The first steps that were lived, the random ones among them."""
        rows = self.trained.run.source.rows
        told = rows.extra.get("action_log_prob")
        columns = Rows(rows.obs, rows.action, rows.reward, rows.next_obs, rows.continues, rows["last"], told)
        lived = jax.tree.map(lambda leaf: np.asarray(leaf[0, :steps]), columns)
        return self.task.dataset(lived, name, self.plan.envs, self.plan.warm_up)


def _seed(seed: int, purpose: str) -> int:
    """Seeds for other purposes are unrelated."""
    return seed_of(seed, crc32(purpose.encode()))


def _score_range(env_id: str) -> tuple[float, float] | None:
    """The raw returns of a random and of an expert policy, where they are known."""
    maze = named_in(env_id)
    if maze and "-dense" not in env_id:
        return SCORE_RANGES[maze]
    return score_range_of_env(env_id)
