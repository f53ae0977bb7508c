"""`mooring train ALGORITHM DATA`: the options are its own, and the fields of the algorithm."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mooring import registry
from mooring.cli.alarms import write_alarms
from mooring.cli.data import DATA_HELP
from mooring.cli.output import write
from mooring.cli.parsing import Parser, add_settings, given, shown
from mooring.cli.scores import write_last_scores
from mooring.errors import BadInput, unknown
from mooring.registry import Setting, parse_setting

if TYPE_CHECKING:
    from mooring.data import Dataset
    from mooring.recipes import Recipe
    from mooring.types import Algorithm

REWARDS = (
    "Literal['none', 'return_range', 'minus_one', 'cql_antmaze', 'cal_ql_antmaze', 'rebrac_antmaze', 'prdc_antmaze', "
    "'standardize']"
)
OWN = (
    Setting("steps", "Count", 100_000, help="updates; recipes know better, mostly 1,000,000"),
    Setting("seeds", "str", "1", help="how many seeds, or which ones: 3,5"),
    Setting("env", "str | None", None, help="Gymnasium environment to evaluate in; else the data's own"),
    Setting("evaluate_every", "Count | None", 10_000, help="updates from one evaluation to the next"),
    Setting("episodes", "Count", 10, help="episodes that each policy plays in an evaluation"),
    Setting("watch_every", "Count | None", 1000, help="updates from one look for values that run away to the next"),
    Setting("folder", "str | None", None, help="where the run is kept; else runs/ALGORITHM-DATA"),
    Setting("save_every", "Count", 10_000, help="updates from one checkpoint to the next"),
    Setting("chunk", "Count", 1000, help="updates in one go, after which metrics are logged"),
    Setting("split_batches", "bool", False, help="devices that members leave idle share the rows of each batch"),
    Setting("reward", REWARDS, "none", help="how rewards are rescaled for learning; scores never are"),
    Setting("recipe", "bool", True, help="start from the published settings for this data set, where they are known"),
)
LOGGERS = ("tensorboard", "wandb")
EXAMPLE = "mooring train iql hopper-medium-v2 --seeds 4 --sweep expectile=0.7,0.8"


@dataclass(frozen=True)
class Request:
    """What a command line asks for, checked as far as it can be without the data."""

    words: Sequence[str]
    algorithm: str
    data: str
    own: dict[str, Any]  # the values of OWN that were given
    values: dict[str, Any]  # of the algorithm's settings that were given
    sweep: dict[str, list[float]]
    seeds: int | list[int]
    log: list[str]
    resume: bool
    quiet: bool

    def __getitem__(self, name: str) -> Any:
        """An option of the command, or its default."""
        return self.own[name] if name in self.own else next(each.default for each in OWN if each.name == name)

    def say(self, text: str) -> None:
        if not self.quiet:
            write(text)


def run(words: Sequence[str]) -> int:
    request = _request(words)
    algorithm, data, steps = _prepared(request)
    folder = _folder(request, f"{_stem(request.algorithm)}-{data.name}")
    env, every = _evaluation(request, data)

    from mooring.training import train

    request.say(f"{type(algorithm).__name__} on {data.name}: {len(data):,} rows, {data.num_episodes:,} episodes")
    request.say(f"kept in {folder}")
    try:
        trained = train(
            algorithm,
            data,
            steps,
            seeds=request.seeds,
            sweep=request.sweep,
            env=env,
            evaluate_every=every,
            episodes=request["episodes"],
            watch_every=request["watch_every"],
            folder=folder,
            resume=request.resume,
            save_every=request["save_every"],
            chunk=request["chunk"],
            log=request.log,
            progress=not request.quiet,
            split_batches=request["split_batches"],
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"go on with: {_resuming(words, folder)}") from None
    if not request.quiet:
        members = [asdict(member) for member in trained.members]
        write_last_scores(members, trained.rows)
        write_alarms(members, trained.rows)
        write(f"next: mooring evaluate {folder}, or mooring show {folder}")
    return 0


def _request(words: Sequence[str]) -> Request:
    """Reads the words. Raises BadInput."""
    named = bool(words) and not words[0].startswith("-")
    settings = settings_of(words[0]) if named else {}
    options = _parser(settings).read(words)
    if not named:
        raise BadInput("mooring train", "the algorithm has to come first", fix=f"as in {EXAMPLE}")
    own, values, sweep = given(options, OWN), given(options, settings.values()), _sweep(options.sweep, settings)
    for name in set(values) & set(sweep):
        raise BadInput(f"{settings[name].option} and --sweep {name}", "both were given", "one of them")
    seeds = _seeds(own.get("seeds", "1"))
    rest = (options.log, options.resume, options.quiet)
    return Request(words, options.algorithm, options.data, own, values, sweep, seeds, *rest)


def _prepared(request: Request) -> tuple[Algorithm, Dataset, int]:
    """The algorithm, in the form that the data's actions ask for, the data, and the steps; recipe applied."""
    from mooring.data import Discrete, load
    from mooring.recipes import Recipe, recipe

    data = load(request.data)
    entry = registry.find(request.algorithm, "discrete" if isinstance(data.action_space, Discrete) else "continuous")
    for name in (*request.values, *request.sweep):
        entry.setting(name)  # another form of the algorithm may have it, and this one not
    published = recipe(entry.name, data.name) if request["recipe"] else Recipe({})
    if published.source:
        request.say(f"recipe: {_described(published)}")
    algorithm = registry.load_class(entry)(**(published.settings | request.values))
    reward = request.own.get("reward", published.reward)
    steps = request.own.get("steps", published.steps) or request["steps"]
    return algorithm, data.with_reward(reward) if reward else data, steps


def _described(published: Recipe) -> str:
    """What a recipe sets, and where it is from."""
    training = {"steps": published.steps, "reward": published.reward}
    chosen = {name: value for name, value in (published.settings | training).items() if value is not None}
    values = ", ".join(f"{name} {shown(value)}" for name, value in chosen.items())
    return f"{values or 'the defaults'} (from {published.source}; options given here win)"


def settings_of(name: str) -> dict[str, Setting]:
    """The settings of an algorithm, of all its forms, by name. None may be called as an option of the command."""
    forms = registry.forms(name)
    found = {setting.name: setting for form in reversed(forms) for setting in form.settings}
    taken = {setting.name for setting in OWN} | {"algorithm", "data", "help", "sweep", "log", "resume", "quiet"}
    for clash in sorted(taken & set(found)):
        raise BadInput(f"{name}: setting {clash!r}", "is the name of an option of mooring train", fix="rename it")
    return found


def _parser(settings: dict[str, Setting]) -> Parser:
    parser = Parser(
        "mooring train",
        usage="mooring train ALGORITHM DATA [options]",
        description="Trains an algorithm on logged data. `mooring train ALGORITHM --help` shows its settings too.",
        epilog=f"As in: {EXAMPLE}",
    )
    names = ", ".join(dict.fromkeys(entry.name for entry in registry.entries()))
    parser.add_argument("algorithm", metavar="ALGORITHM", help=f"{names}, or my_algorithm.py:Name")
    parser.add_argument("data", metavar="DATA", help=DATA_HELP)
    parser.add_argument("-o", dest="folder", metavar="TEXT", help="short for --folder")
    parser.add_argument("--resume", action="store_true", help="go on with the run in the folder")
    sweep_help = "train each of these values of a setting, in one program; several sweeps make all combinations"
    parser.add_argument("--sweep", action="append", default=[], metavar="NAME=X,X,...", help=sweep_help)
    parser.add_argument("--log", action="append", default=[], choices=LOGGERS, help="log there too")
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")
    add_settings(parser, "training", OWN)
    add_settings(parser, "settings, which --sweep takes too", [s for s in settings.values() if s.sweepable])
    add_settings(parser, "settings that --sweep does not take", [s for s in settings.values() if not s.sweepable])
    return parser


def _seeds(text: str) -> int | list[int]:
    """ "4" is a number of seeds; "3,5" and "3," are seeds."""
    try:
        seeds = [int(part) for part in text.split(",") if part]
    except ValueError:
        seeds = []
    if not seeds:
        raise BadInput("--seeds", f"found {text!r}", "how many, as 4, or which, as 3,5")
    return seeds if "," in text else seeds[0]


def _sweep(texts: Iterable[str], settings: dict[str, Setting]) -> dict[str, list[float]]:
    """ "expectile=0.7,0.9" as a name and values. Raises BadInput, also for settings that one program can not vary."""
    found: dict[str, list[float]] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        name = name.replace("-", "_")
        if not equals:
            raise BadInput(f"--sweep {text}", "has no values", "NAME=VALUE,VALUE, as in expectile=0.7,0.9")
        if name not in settings:
            raise unknown("setting in --sweep", name, settings)
        if not settings[name].sweepable:
            fits = ", ".join(setting.name for setting in settings.values() if setting.sweepable)
            raise BadInput(
                f"--sweep {name}", "a program can not vary it", fix=f"make one run for each value, or sweep {fits}"
            )
        if name in found:
            raise BadInput(f"--sweep {name}", "was given twice", "all its values in one")
        found[name] = [parse_setting(settings[name], value) for value in values.split(",")]
    return found


def _evaluation(request: Request, data: Dataset) -> tuple[str | None, int | None]:
    """The environment, and how often to evaluate. Where nobody asked for it and it can not be done, that is said."""
    from mooring.environments.fitting import check_spaces
    from mooring.environments.making import make

    env, every = request["env"] or data.env, request["evaluate_every"]
    if every is None:
        return env, None
    try:
        if env is None:
            raise BadInput("evaluation", f"{data.name} names no environment", fix="name one with --env")
        with closing(make(env)) as made:
            check_spaces(made, data.spec())
    except BadInput as error:
        if {"env", "evaluate_every"} & set(request.own):
            raise
        request.say(f"not evaluated: {error}")
        return env, None
    return env, every


def _stem(algorithm: str) -> str:
    """The algorithm's name, or that of the class in a user's file."""
    return algorithm.rpartition(":")[2]


def _folder(request: Request, stem: str) -> Path:
    """The folder that was named; else a new one, runs/STEM or runs/STEM-2 and so on, or the last of these to resume."""
    if request["folder"]:
        return Path(request["folder"])
    paths = [Path("runs", stem)]
    while paths[-1].exists():
        paths.append(Path("runs", f"{stem}-{len(paths) + 1}"))
    if not request.resume:
        return paths[-1]
    if len(paths) == 1:
        raise BadInput("--resume", f"there is no run {paths[0]}", fix="name the run's folder with --folder")
    return paths[-2]


def _resuming(words: Sequence[str], folder: Path) -> str:
    """The command line that goes on with what these words began."""
    again = [*words, *(() if "--resume" in words else ("--resume",))]
    named = any(word.startswith(("--folder", "-o")) for word in words)
    return shlex.join(["mooring", "train", *again, *(() if named else ("--folder", str(folder)))])
