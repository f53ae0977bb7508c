"""`mooring data collect ENV`."""

from __future__ import annotations

import shlex
from argparse import Namespace
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mooring import registry
from mooring.cli.output import number, write_table
from mooring.cli.parsing import Parser, add_settings, given
from mooring.data import formats
from mooring.errors import BadInput, unknown
from mooring.registry import Setting

if TYPE_CHECKING:
    from mooring.data import Dataset
    from mooring.data.collecting import Life, Task, Tell

    Maker = Callable[[str, int, Tell], Dataset]

ALL = ("random", "medium", "medium-replay", "expert", "medium-expert")
LEVELS = "Literal['random', 'medium', 'medium-replay', 'expert', 'medium-expert', 'full-replay', 'all'] | None"
OWN = (
    Setting("policy", "str", "random", help="who acts"),
    Setting("level", LEVELS, None, help="of a policy that learns: which set to make; else expert"),
    Setting("steps", "Count", 100_000, help="of each set that is rolled out; of rnd, in all"),
    Setting("train_steps", "Count", 200_000, help="steps in which a policy learns, the random ones among them"),
    Setting("warm_up", "Count", 5_000, help="random steps before a policy learns; at most a tenth of all"),
    Setting("num_envs", "Count", 10, help="environments that are stepped together"),
    Setting("ratio", "Positive", 1.0, help="updates for each step"),
    Setting("seed", "int", 0, help="of everything: the same command makes the same data"),
    Setting("evaluate_every", "Count", 5_000, help="steps from one evaluation of the learning policy to the next"),
    Setting("episodes", "Count", 10, help="episodes of an evaluation"),
)


def run(words: Sequence[str]) -> int:
    parser = _parser()
    options = parser.read(words)
    own = {setting.name: setting.default for setting in OWN} | given(options, OWN)
    learner = own["policy"] in _learners()
    files = _files(Path(options.out), own, learner)
    for file in files.values():
        formats.for_writing(file)
        if file.exists() and not options.resume:
            raise BadInput(str(file), "exists", fix="name another one with -o, or go on with --resume")
    if options.map:
        _check_map(options.env, files)

    from mooring.data.collecting import Task
    from mooring.hooks.progress import Progress

    task, rows = Task.of(options.env), []
    try:
        with closing(Progress(enabled=not options.quiet, unit="steps")) as bar:
            make = _life(own, task, options).dataset if learner else _rollouts(own, task)
            for level, file in files.items():
                data = _made(make, level, file, own["steps"], partial(bar.update, level))
                rows.append(_row(data, file))
    except KeyboardInterrupt:
        again = [*words, *(() if options.resume else ("--resume",))]
        raise KeyboardInterrupt(f"go on with: {shlex.join(['mooring', 'data', 'collect', *again])}") from None
    if options.map:
        from mooring.report.maps import visit_map
        from mooring.report.plots import save as save_figure

        save_figure(visit_map(data), Path(options.map).with_suffix(""))
    if not options.quiet:
        write_table(("file", "rows>", "episodes>", "mean return>", "lowest>", "highest>"), rows)
    return 0


def _parser() -> Parser:
    parser = Parser(
        "mooring data collect",
        description="Makes a data set: lets a policy act in an environment, and logs what happens. "
        f"Policies are random, the file of one that a run saved, or learn while they act: {', '.join(_learners())}. "
        "Levels are D4RL's: medium is the policy when it first came a third of the way from random to its best, "
        "medium-replay all that it had lived by then, full-replay to the end, medium-expert both sets end to end, "
        "all makes each but full-replay.",
    )
    parser.add_argument("env", metavar="ENV", help="Gymnasium's name, mooring/Pointmass-medium-v0, or my_env.py:make")
    parser.add_argument(
        "-o", "--out", required=True, help="file to write, as set.npz; with --level all the folder of all"
    )
    parser.add_argument(
        "--map", metavar="FILE.png", help="draw where in a pointmass maze the set's steps led (and .svg)"
    )
    parser.add_argument("--resume", action="store_true", help="go on with what a killed command began")
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing")
    add_settings(parser, "collecting", OWN)
    return parser


def _learners() -> list[str]:
    return [entry.name for entry in registry.entries() if entry.family == "online"]


def _files(out: Path, own: dict[str, Any], learner: bool) -> dict[str, Path]:
    """The file of each level that is to be made. Raises BadInput where policy and level do not fit."""
    level, policy = own["level"], own["policy"]
    if not learner:
        if policy != "random" and not Path(policy).suffix:
            raise unknown("policy", policy, ["random", *_learners()])
        if level is not None:
            raise BadInput("--level", f"{policy} does not learn", f"one of {', '.join(_learners())} as --policy")
        return {"rollouts": out}
    if policy == "rnd" and level not in (None, "full-replay"):
        raise BadInput("--level", "rnd explores, and so all that it lived is its set", "no level")
    if level == "all":
        return {each: out / f"{each}.npz" for each in ALL}
    return {level or ("full-replay" if policy == "rnd" else "expert"): out}


def _check_map(env: str, files: dict[str, Path]) -> None:
    from mooring.environments.mazes import named_in

    if named_in(env) is None:
        raise BadInput("--map", f"{env} is no pointmass maze", "as mooring/Pointmass-hard-v0")
    if len(files) > 1:
        raise BadInput("--map", "several sets are made", "one --level, or none")


def _rollouts(own: dict[str, Any], task: Task) -> Maker:
    """Makes the set of a policy that does not learn."""
    from mooring.data.collecting import roll_out, saved_policy, uniform_policy

    name = own["policy"]
    policy = uniform_policy(task) if name == "random" else saved_policy(Path(name), task)
    label = f"{task.env}-{name if name == 'random' else Path(name).stem}"

    def make(level: str, steps: int, tell: Tell) -> Dataset:
        return roll_out(policy, task, steps, label, envs=own["num_envs"], seed=own["seed"], tell=tell)

    return make


def _life(own: dict[str, Any], task: Task, options: Namespace) -> Life:
    """Lets the policy learn."""
    from mooring.data import Discrete
    from mooring.data.collecting import Plan, learn
    from mooring.recipes import recipe

    entry = registry.find(own["policy"], "discrete" if isinstance(task.action_space, Discrete) else "continuous")
    home = task.env.removeprefix("mooring/").rpartition("-v")[0].lower()  # as data sets are named: pointmass-medium
    steps = own["steps"] if entry.name == "rnd" else own["train_steps"]
    plan = Plan(
        registry.load_class(entry)(**recipe(entry.name, home).settings),
        steps,
        warm_up=min(own["warm_up"], max(1, steps // 10)),
        envs=own["num_envs"],
        ratio=own["ratio"],
        seed=own["seed"],
        evaluate_every=own["evaluate_every"],
        episodes=own["episodes"],
    )
    out = Path(options.out)
    folder = out / "run" if own["level"] == "all" else out.with_suffix(".run")
    return learn(plan, task, folder, options.resume, progress=not options.quiet)


def _made(make: Maker, level: str, file: Path, steps: int, tell: Tell) -> Dataset:
    """The set of a level: made and written, or as it was written before the command was killed."""
    from mooring.data import load, save

    if file.exists():
        return load(file)
    data = make(level, steps, tell)
    file.parent.mkdir(parents=True, exist_ok=True)
    save(data, file)
    return data


def _row(data: Dataset, file: Path) -> tuple[str, ...]:
    returns = data.returns
    facts = (len(data), data.num_episodes, float(returns.mean()), float(returns.min()), float(returns.max()))
    return str(file), *map(number, facts)
