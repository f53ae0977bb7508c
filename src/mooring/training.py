"""`train`: the one way to train, for every algorithm, its stages first; and the session that hooks see."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any
from zlib import crc32

import jax
import numpy as np

from mooring import loop
from mooring.data import load
from mooring.data.dataset import Dataset
from mooring.diagnostics.light import tally, verdicts
from mooring.errors import BadInput
from mooring.hooks import Hook
from mooring.hooks.evaluate import Evaluate
from mooring.hooks.log import Logger, check_loggers, make_loggers
from mooring.hooks.progress import Progress
from mooring.hooks.watch import Watch
from mooring.population import Member, members, varied
from mooring.runs import MAIN, RunFolder, describe_algorithm, describe_data, versions
from mooring.sharding import Layout
from mooring.types import Algorithm, Discrete, Policy, Source, Spec


@dataclass
class Session:
    """What hooks see of the training of a stage. A hook may replace `run` (to add rows to a replay buffer, say)."""

    stage: str  # "main", or the field of the algorithm that the stage fills
    algorithms: Algorithm  # stacked
    source: Source
    run: loop.Run
    step: int  # updates made so far
    steps: int
    spec: Spec
    members: list[Member]
    rows: list[dict[str, Any]]
    loggers: Sequence[Logger]
    since: int = 0  # the step at which the run began: what happens every so many updates counts from there

    def policies(self) -> Policy:
        """Every member's policy as it stands, stacked."""
        return loop.policies(self.algorithms, self.run.agent)

    def score(self) -> float | None:
        """The population's mean in the last evaluation: normalized where the environment has a range, else raw."""
        last = next((row for row in reversed(self.rows) if row["kind"] == "evaluate"), None)
        return None if last is None else float(np.mean(last.get("score", last["return"])))

    def alarm(self) -> str:
        """How many members' values may be running away, as in "2 red" (see `hooks.watch`); empty where none do."""
        return tally(verdicts(self.rows, len(self.members)))

    def log(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
        """Writes one row; each value holds one number for each member."""
        numbers = {name: np.asarray(value, np.float64).tolist() for name, value in values.items()}
        row = {"stage": self.stage, "step": step, "kind": kind, **numbers}
        self.rows.append(row)
        for logger in self.loggers:
            logger.write(row)


@dataclass(frozen=True)
class Trained:
    """What training leaves: every member's policy, the whole run, and the rows that were logged."""

    algorithms: Algorithm  # stacked, the stages' results among the fields
    run: loop.Run
    spec: Spec
    members: list[Member]
    rows: list[dict[str, Any]]
    folder: Path | None

    @property
    def policies(self) -> Policy:
        """Every member's policy, stacked: what `evaluate` takes."""
        return loop.policies(self.algorithms, self.run.agent)

    def policy(self, member: int = 0) -> Policy:
        """One member's policy."""
        return loop.member(self.policies, member)


def train(
    algorithm: Algorithm,
    data: Dataset | str | Path,
    steps: int,
    *,
    seeds: int | Sequence[int] = 1,
    sweep: Mapping[str, Sequence[float]] | None = None,
    env: str | None = None,
    evaluate_every: int | None = None,
    episodes: int = 10,
    watch_every: int | None = None,
    folder: str | Path | None = None,
    resume: bool = False,
    save_every: int = 10_000,
    chunk: int = 1000,
    log: Sequence[str] = (),
    progress: bool = False,
    hooks: Sequence[Hook] = (),
    source: Source | None = None,
    split_batches: bool = False,
) -> Trained:
    """Trains a population of `algorithm` on logged data, all members in one compiled program.

    Members are all `seeds` (4 means 0 .. 3) with all combinations of `sweep`, as in {"expectile": [0.7, 0.9]}.
    Stages of the algorithm are trained first. Exactly `steps` updates are made, in chunks of `chunk`, after each of
    which metrics are logged. With `evaluate_every` the policies play `episodes` episodes each in `env` (a Gymnasium
    id; else the data's own) every so many updates and at the end. With `watch_every` critics are looked at every so
    many updates, for values that run away (see `hooks.watch`). With `folder` all that happens is kept there,
    and with `resume` a run that was killed goes on from its last checkpoint (every `save_every` updates) and ends
    bit for bit where an unbroken one ends. `log` names further loggers: "tensorboard", "wandb". `source`
    takes the place of the algorithm's own source of batches.

    Members are shared out over the process's devices, as many as divide them equally. With `split_batches` the devices
    that this leaves have equal shares of every batch's rows; what is learned is the same up to rounding.

    Raises BadInput where the data, the settings, the environment or the folder do not fit.
    """
    logged = load(data)
    check_actions(algorithm, logged)
    if algorithm.checkpoints():
        found = "keeps the best of the policies that act, and only in `finetune` do they act"
        raise BadInput(algorithm.name, found, fix="set it there")
    for name, count in (("steps", steps), ("chunk", chunk), ("save_every", save_every), ("episodes", episodes)):
        if count < 1:
            raise BadInput(name, f"found {count}", "at least 1")
    population = members(seeds, sweep)
    algorithms, env = varied(algorithm, population), env or logged.env
    config = {
        "algorithm": describe_algorithm(algorithm),
        "data": describe_data(logged),
        "origin": logged.origin,
        "members": [asdict(member) for member in population],
        "chunk": chunk,
        "save_every": save_every,
        "evaluate": {"env": env, "every": evaluate_every, "episodes": episodes},
        "steps": steps,
        "versions": versions(),
        "command": sys.argv,
    }
    with ExitStack() as stack:
        if evaluate_every:
            if not env:
                raise BadInput(logged.name, "names no environment", fix="name one to evaluate in (env)")
            known = logged.score_range if env == logged.env else None
            evaluate = Evaluate(evaluate_every, env, len(population), episodes, logged.spec(), known)
            hooks = [*hooks, stack.enter_context(closing(evaluate))]
        if watch_every:
            hooks = [Watch(watch_every, logged), *hooks]
        run_folder = RunFolder(Path(folder)) if folder else None
        check_loggers(log, run_folder)
        stages = [stage.field for stage in algorithm.stages()]
        rows = run_folder.open(config, resume, stages) if run_folder else []
        loggers = [stack.enter_context(closing(logger)) for logger in make_loggers(log, run_folder, config)]
        bar = stack.enter_context(closing(Progress(enabled=progress)))
        trainer = Trainer(
            algorithm, logged, population, run_folder, save_every, chunk, rows, loggers, bar, split_batches
        )
        return trainer.train(algorithms, steps, source, hooks)


def reopen(folder: str | Path, data: Dataset | str | Path, algorithm: Algorithm | None = None) -> Trained:
    """A run as its last checkpoint holds it, on the data that it was trained on. Nothing is trained, nothing written.

    A user's own algorithm has to be given. Raises BadInput where the folder holds no run, or none that was saved, or
    where the data are other ones.
    """
    home = RunFolder(Path(folder))
    config, step, logged = home.config(), home.saved_step(), load(data)
    if not step:
        raise BadInput(str(folder), "has no policy yet: nothing of it was saved", fix="resume it")
    was, population = config["data"], home.members()
    if logged.fingerprint() != was["fingerprint"]:
        found = f"its columns are not those of {was['name']}, which the run was trained on"
        raise BadInput(logged.name, found, f"{was['rows']:,} rows, fingerprint {was['fingerprint'][:12]}")
    logged = as_learned_from(logged, home)
    algorithm = algorithm or home.algorithm()
    with closing(Progress(enabled=False)) as bar:
        trainer = Trainer(algorithm, logged, population, home, step, step, home.rows(), (), bar)
        return trainer.train(varied(algorithm, population), step, None, ())


def as_learned_from(data: Dataset, home: RunFolder) -> Dataset:
    """The data of a run, with rewards seen as the run saw them."""
    was = home.config()["data"]
    return replace(data, reward_scale=was["reward_scale"], reward_shift=was["reward_shift"])


Start = Callable[[Algorithm, Source, Spec, jax.Array], loop.Run]
"""Makes the run that training begins with, as `loop.start` does."""


@dataclass(frozen=True)
class Trainer:
    """Trains an algorithm's stages and then the algorithm, each with `fit`."""

    algorithm: Algorithm
    data: Dataset
    population: list[Member]
    folder: RunFolder | None
    save_every: int
    chunk: int
    rows: list[dict[str, Any]]
    loggers: Sequence[Logger]
    bar: Progress
    split_batches: bool = False
    since: int = 0

    @cached_property
    def spec(self) -> Spec:
        return self.data.spec()

    def train(self, algorithms: list[Algorithm], steps: int, source: Source | None, hooks: Sequence[Hook]) -> Trained:
        """All stages, in order, then the algorithm itself; `algorithms` are the members'."""
        for index, (name, algorithm, stage_steps) in enumerate(self.algorithm.stages()):
            of_stage = loop.stack([each.stages()[index].algorithm for each in algorithms])
            session = self.fit(name, of_stage, algorithm.source(self.data), stage_steps)
            left = loop.results(of_stage, session.run.agent)
            own: list[dict[str, Any]] = [{name: loop.member(left, place)} for place in range(len(algorithms))]
            algorithms = [replace(each, **result) for each, result in zip(algorithms, own, strict=True)]
        return self.main(loop.stack(algorithms), source or self.algorithm.source(self.data), steps, hooks)

    def main(
        self, algorithms: Algorithm, source: Source, steps: int, hooks: Sequence[Hook], first: Start = loop.start
    ) -> Trained:
        """The algorithm itself, whose stages are trained; `first` makes the run that it begins with."""
        session = self.fit(MAIN, algorithms, source, steps, hooks, first)
        folder = self.folder.path if self.folder else None
        return Trained(session.algorithms, session.run, self.spec, self.population, self.rows, folder)

    def fit(
        self,
        stage: str,
        algorithms: Algorithm,
        source: Source,
        steps: int,
        hooks: Sequence[Hook] = (),
        first: Start = loop.start,
    ) -> Session:
        """Trains one stage from its start or its last checkpoint to exactly `steps` updates."""
        session = self._begin(stage, algorithms, source, steps, hooks, first)
        try:
            self._advance(session, hooks)
        finally:
            session.source.close()
        for hook in hooks:
            hook.settle(session, before=steps + 1)
        self.bar.update(stage, session.step, steps, session.score(), session.alarm())
        return session

    def _advance(self, session: Session, hooks: Sequence[Hook]) -> None:
        stage, steps = session.stage, session.steps
        cadence = [self.chunk, self.save_every, *session.source.exchanges(), *(hook.every for hook in hooks)]
        while session.step < steps:
            made = session.step - self.since
            stop = min(steps, *(self.since + made - made % every + every for every in cadence))
            updates, made = stop - session.step, stop - self.since
            session.source = session.source.at(session.step)
            session.run, metrics = loop.advance(session.algorithms, session.source, session.run, updates)
            session.step = stop
            session.log("train", stop, metrics)
            try:
                for hook in hooks:
                    if made % hook.every == 0 or stop == steps:
                        hook(session)
            except BadInput:  # of an environment, for one: what was lived and learned is kept
                self._save(session, ())
                raise
            if made % self.save_every == 0 or stop == steps:
                self._save(session, hooks)
            if stop < steps:
                self.bar.update(stage, stop, steps, session.score(), session.alarm())

    def _begin(
        self, stage: str, algorithms: Algorithm, source: Source, steps: int, hooks: Sequence[Hook], first: Start
    ) -> Session:
        keys = loop.keys_of([member.seed for member in self.population], salt=crc32(stage.encode()))
        start = partial(first, algorithms, source, self.spec, keys)
        saved = self.folder.load_run(stage, jax.eval_shape(start)) if self.folder else None
        layout = Layout.of(len(self.population), algorithms.batch_size if self.split_batches else 1)
        run, algorithms, source = layout.spread(saved or start()), layout.spread(algorithms), layout.feed(source)
        step = int(run.step)
        if step > steps:
            raise BadInput(f"stage {stage}", f"has made {step} updates already", f"at most {steps}")
        session = Session(
            stage,
            algorithms,
            source,
            run,
            step,
            steps,
            self.spec,
            self.population,
            self.rows,
            self.loggers,
            self.since,
        )
        try:
            for hook in hooks:
                if saved:
                    hook.resumed(session)
                else:
                    hook.begun(session)
        except BadInput:
            self._save(session, ())
            raise
        return session

    def _save(self, session: Session, hooks: Sequence[Hook]) -> None:
        if not self.folder:
            return
        for hook in hooks:
            hook.settle(session, before=session.step)
        if session.stage == MAIN:
            self.folder.save_policies(session.policies(), self.algorithm, self.spec, self.population)
        self.folder.save_run(session.stage, session.run, session.step)


def check_actions(algorithm: Algorithm, data: Dataset) -> None:
    """Refuses an algorithm for discrete actions on continuous ones, and the reverse."""
    kind = "discrete" if isinstance(data.action_space, Discrete) else "continuous"
    if kind not in algorithm.actions:
        found = f"{algorithm.name} is for {' and '.join(algorithm.actions)} actions"
        raise BadInput(
            data.name, f"its actions are {kind}, and {found}", fix="`mooring algorithms` lists those that fit"
        )
