"""`finetune`: from logged data to live interaction, by the loop that trained; only the source of batches is another."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from zlib import crc32

import jax
import jax.numpy as jnp
from jaxtyping import Array

from mooring import loop
from mooring.data import load
from mooring.data.catalog import score_range_of_env
from mooring.data.changes import MONTE_CARLO, discounted_sums
from mooring.data.dataset import Dataset
from mooring.environments.fitting import check_spaces
from mooring.environments.making import make
from mooring.environments.players import seed_of
from mooring.errors import BadInput
from mooring.hooks import Hook
from mooring.hooks.anneal import Anneal
from mooring.hooks.checkpoints import KeepBest
from mooring.hooks.collect import Collect, Exploration
from mooring.hooks.control import Controller
from mooring.hooks.evaluate import Evaluate
from mooring.hooks.log import check_loggers, make_loggers
from mooring.hooks.progress import Progress
from mooring.pace import Pace
from mooring.population import Member, varied
from mooring.runs import RunFolder, describe_algorithm, describe_data, versions
from mooring.sources import Offline, Replay, to_device
from mooring.training import Trained, Trainer, as_learned_from, check_actions, reopen
from mooring.types import NEXT_ACTION, Algorithm, Batch, Source, Spec

LIVED = ("last",)
"""Columns of the replay buffer beyond those that every batch has."""


@dataclass(frozen=True)
class Plan:
    """How a policy goes on learning while it acts. Counts are of each member's steps in the environment.

    `offline_share` of each batch are logged rows; with None the log lies in the replay buffer, from which all rows are
    drawn alike. The buffer keeps the newest `capacity` rows; by default all of them.
    """

    env: str
    steps: int
    warm_up: int = 1_000  # before the first update
    envs: int = 1
    ratio: float = 1.0  # updates for each step
    offline_share: float | None = 0.5
    capacity: int | None = None
    sampled: bool = True  # act by the policy's own draws; else greedily
    noise: float = 0.0  # of exploration; see Exploration
    patience: float = 60.0  # seconds that a step of the environment may take
    evaluate_every: int = 5_000
    episodes: int = 10
    seed: int = 0  # of the environments

    def __post_init__(self) -> None:
        for name in ("steps", "envs", "evaluate_every", "episodes"):
            if getattr(self, name) < 1:
                raise BadInput(name, f"found {getattr(self, name)}", "at least 1")
        for name, least in (("warm_up", 0 if self.offline_share is None else 1), ("noise", 0)):
            if getattr(self, name) < least:
                raise BadInput(name, f"found {getattr(self, name)}", f"at least {least}")
        if self.ratio <= 0 or self.patience <= 0:
            name = "ratio" if self.ratio <= 0 else "patience"
            raise BadInput(name, f"found {getattr(self, name)}", "above 0")
        if self.offline_share is not None and not 0 <= self.offline_share < 1:
            raise BadInput("offline_share", f"found {self.offline_share}", "0 or more, below 1, or none")
        if self.steps <= self.first_steps:
            raise BadInput("steps", f"found {self.steps}", f"more than the {self.first_steps} before the first update")

    @property
    def pace(self) -> Pace:
        return Pace(self.envs, self.ratio)

    @property
    def first_steps(self) -> int:
        """Before the first update: as many in each environment."""
        return -(-self.warm_up // self.envs) * self.envs

    @property
    def updates(self) -> int:
        return self.pace.blocks(self.steps - self.first_steps) * self.pace.every

    def room(self, logged: int, batch_size: int) -> int:
        """Rows of the replay buffer. Raises BadInput where they are fewer than are added, or drawn, at once."""
        all_lived = self.lived(self.updates)
        if self.capacity is None:
            return all_lived + (logged if self.offline_share is None else 0)
        least = max(batch_size, self.pace.block, self.first_steps, logged if self.offline_share is None else 0)
        if self.capacity < least:
            whose = (
                f"a batch of {batch_size}, {self.first_steps} steps before the first update, {self.pace.block} at once"
            )
            raise BadInput("capacity", f"found {self.capacity}", f"at least {least}: room for {whose}")
        return self.capacity

    def lived(self, updates: int) -> int:
        """The steps made when so many updates have been."""
        return self.first_steps + updates // self.pace.every * self.pace.block


def plan_of(online: Mapping[str, Any]) -> Plan:
    """The plan in a run's configuration."""
    return Plan(**{name: online[name] for name in Plan.__dataclass_fields__})


def finetune(
    run: str | Path,
    steps: int,
    *,
    env: str | None = None,
    data: Dataset | str | Path | None = None,
    algorithm: Algorithm | None = None,
    settings: Mapping[str, Any] | None = None,
    trained_by: Algorithm | None = None,
    anneal: Mapping[str, float] | None = None,
    folder: str | Path | None = None,
    resume: bool = False,
    save_every: int = 10_000,
    log: Sequence[str] = (),
    progress: bool = False,
    hooks: Sequence[Hook] = (),
    **plan: Any,
) -> Trained:
    """Every member of a run goes on learning, `steps` steps long, while it acts in `env` (else the data's own).

    `plan` is what `Plan` takes: warm_up, envs, ratio, offline_share and so on. `algorithm` takes over from the one that
    trained, where it can adopt its agents (see `Algorithm.adopt`); `settings` change some of its settings, and `anneal`
    moves float settings in a straight line, to the given values at the last update. `data` are those that the run was
    trained on; by default they are loaded from where they came. The policies are evaluated before the first update,
    every `evaluate_every` steps, and at the end. With `folder` the run is kept there; with `resume` one that was killed
    goes on: bit for bit, where the environment repeats itself, and else with every step that was saved.
    Runs of a user's own algorithm need an instance of it, `trained_by`.

    Raises BadInput where run, data, environment or settings do not fit, and where the environment fails, in which case
    what was lived and learned until then is in the folder.
    """
    home = RunFolder(Path(run))
    logged = as_learned_from(data_of(home, data), home)
    voyage = Plan(env or home.home().env or _no_environment(home), steps, **plan)
    with closing(make(voyage.env)) as made:
        check_spaces(made, logged.spec())
    before = reopen(run, logged, trained_by)
    population, cast_off = before.members, int(before.run.step)
    base = replace(algorithm or trained_by or home.algorithm(), **(settings or {}))
    check_actions(base, logged)
    algorithms = _algorithms(base, before, population)
    total = cast_off + voyage.updates
    source = _source(base, logged, voyage)

    def first(algorithms: Algorithm, source: Source, spec: Spec, keys: Array) -> loop.Run:
        fresh = loop.start(algorithms, source, spec, keys)
        own_keys = jax.vmap(lambda key: jax.random.fold_in(key, 0))(keys)  # `start` has used the others
        adopted = adopt(algorithms, before.algorithms, before.run.agent, own_keys, spec)
        return replace(fresh, agent=adopted, step=jnp.asarray(cast_off, jnp.int32))

    # what can not take over is refused before a folder is made
    jax.eval_shape(first, algorithms, source, before.spec, loop.keys_of([member.seed for member in population]))
    evaluate_every = voyage.pace.updates(voyage.evaluate_every)
    config = {
        "algorithm": describe_algorithm(base),
        "data": describe_data(logged),
        "origin": logged.origin,
        "members": [asdict(member) for member in population],
        "chunk": voyage.pace.every,
        "save_every": save_every,
        "evaluate": {"env": voyage.env, "every": evaluate_every, "episodes": voyage.episodes},
        "online": {"run": str(home.path.resolve()), "cast_off": cast_off, "anneal": dict(anneal or {})}
        | asdict(voyage),
        "steps": total,
        "versions": versions(),
        "command": sys.argv,
    }
    with ExitStack() as stack:
        collect = stack.enter_context(closing(_collect(voyage, base)))
        known = logged.score_range if voyage.env == logged.env else None
        evaluate = stack.enter_context(
            closing(Evaluate(evaluate_every, voyage.env, len(population), voyage.episodes, before.spec, known))
        )
        annealed = [Anneal(name, to, cast_off, voyage.pace.every) for name, to in (anneal or {}).items()]
        every, lived = voyage.pace.every, lambda step: voyage.lived(step - cast_off)
        judged = [KeepBest(every, lived)] if base.checkpoints() else []
        controlled = [Controller(every, _score_range(voyage, logged, known), lived)] if base.control() else []
        run_folder = RunFolder(Path(folder)) if folder else None
        check_loggers(log, run_folder)
        rows = run_folder.open(config, resume, ()) if run_folder else []
        loggers = [stack.enter_context(closing(logger)) for logger in make_loggers(log, run_folder, config)]
        bar = stack.enter_context(closing(Progress(enabled=progress)))
        trainer = Trainer(base, logged, population, run_folder, save_every, total, rows, loggers, bar, since=cast_off)
        hooks = [*annealed, collect, *judged, *controlled, evaluate, *hooks]
        return trainer.main(algorithms, source, total, hooks, first)


@jax.jit
def adopt(algorithms: Algorithm, others: Algorithm, agents: Any, keys: Array, spec: Spec) -> Any:
    """Every member's agent, as the algorithm that takes over has it."""

    def one(algorithm: Algorithm, other: Algorithm, agent: Any, key: Array) -> Any:
        return algorithm.adopt(other, agent, key, spec)

    return jax.vmap(one)(algorithms, others, agents, keys)


def data_of(home: RunFolder, data: Dataset | str | Path | None = None) -> Dataset:
    """The data that a run was trained on: those given, else loaded from where they came. Raises BadInput."""
    origin = data or home.config().get("origin")
    if origin is None:
        raise BadInput(str(home.path), "does not say where its data came from", fix="name them (data)")
    return load(origin)


def _no_environment(home: RunFolder) -> str:
    raise BadInput(str(home.path), "names no environment", fix="name the one to act in (env)")


def _algorithms(base: Algorithm, before: Trained, population: Sequence[Member]) -> Algorithm:
    """Every member's algorithm, stacked, with what the stages of the run left behind where it has the same fields."""
    stages = [stage.field for stage in base.stages()]
    missing = [name for name in stages if getattr(before.algorithms, name, None) is None]
    if missing:
        raise BadInput(base.name, f"needs a trained {missing[0]}, which the run does not have")
    left = [
        {name: loop.member(getattr(before.algorithms, name), who) for name in stages} for who in range(len(population))
    ]
    each = varied(base, population)
    return loop.stack([replace(one, **found) for one, found in zip(each, left, strict=True)])


def _source(algorithm: Algorithm, logged: Dataset, plan: Plan) -> Source:
    """Logged rows and lived ones, as the plan mixes them."""
    capacity = plan.room(len(logged), algorithm.batch_size)
    offline = algorithm.source(logged)
    drawn = jax.eval_shape(lambda key: offline.sample(offline.init(key), key, 1), jax.random.key(0))
    if foreign := _not_lived(drawn, algorithm, logged):
        raise BadInput(algorithm.name, f"learns from {foreign}, which steps in an environment do not have")
    if plan.offline_share is None:
        rows = offline.rows if isinstance(offline, Offline) else to_device(logged, algorithm.columns)
        return Replay(_told(rows, jnp.asarray(logged.last)), capacity)
    empty = jax.tree.map(lambda leaf: jnp.zeros((0, *leaf.shape[1:]), leaf.dtype), drawn)
    empty = replace(empty, extra={name: column for name, column in empty.extra.items() if name in algorithm.columns})
    replay = Replay(_told(empty, jnp.zeros(0, bool)), capacity)
    return algorithm.online_source(offline, replay, plan.offline_share)


def _not_lived(drawn: Batch, algorithm: Algorithm, logged: Dataset) -> str | None:
    """What batches of a log have that rows do not get while a policy acts, in words."""
    if drawn.reward.ndim != 1:
        return "windows of rows"
    columns = sorted(set(drawn.extra) & set(algorithm.columns) - {MONTE_CARLO, NEXT_ACTION})
    if columns:
        return f"the column {columns[0]}"
    forms = [jax.tree.map(lambda leaf: leaf.shape[1:], obs) for obs in (drawn.obs, logged.obs)]
    return None if forms[0] == forms[1] else "observations of its own making"


def _told(rows: Batch, last: Array) -> Batch:
    return replace(rows, extra={**rows.extra, "last": last})


def _collect(plan: Plan, algorithm: Algorithm) -> Collect:
    plainly = partial(discounted_sums, discount=float(getattr(algorithm, "discount", 1.0)))
    return Collect(
        plan.env,
        plan.pace.every,
        plan.pace.block,
        plan.envs,
        seed_of(plan.seed, crc32(b"finetune")),
        plan.first_steps,
        Exploration(plan.sampled, plan.noise),
        plan.patience,
        getattr(algorithm, "monte_carlo", plainly),
    )


def _score_range(plan: Plan, logged: Dataset, known: tuple[float, float] | None) -> tuple[float, float]:
    """The environment's; where it has none, the log's worst and best return."""
    worst, best = float(logged.returns.min()), float(logged.returns.max())
    score_range = known or score_range_of_env(plan.env) or (worst, best)
    if score_range[0] == score_range[1]:
        raise BadInput(logged.name, "every episode has the same return, and no score range of the environment is known")
    return score_range
