"""`mooring estimate RUN`: what its policies are worth, from logs alone."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mooring.cli.data import DATA_HELP
from mooring.cli.evaluate import users_algorithm
from mooring.cli.output import number, write, write_json, write_table
from mooring.cli.parsing import Parser, add_settings, given
from mooring.registry import Setting

if TYPE_CHECKING:
    from mooring.ope.estimating import Judgments

ASKED = (
    Setting("estimators", "str | None", None, help="names with commas between; else those that fit (see --list)"),
    Setting("sampled", "bool", False, help="judge the policies' own draws; else their greedy actions"),
    Setting(
        "horizon", "Count | None", None, help="steps that tables' values are counted to; else the log's time limit"
    ),
    Setting(
        "block", "Count | None", None, help="rows that are one unit, in a stream that goes on and on; else episodes"
    ),
    Setting("interval", "str", "t", help="t, studentized or bca; over episodes, or groups of a column 'group'"),
    Setting("level", "Fraction", 0.95, help="of the intervals"),
    Setting("updates", "Count", 20_000, help="of fitted Q evaluation, where data are not tabular"),
    Setting("seed", "int", 0, help="of what is learned and drawn"),
)
OWN = (
    Setting("data", "str | None", None, help=f"the logs, where they are not the run's own: {DATA_HELP}"),
    Setting("discount", "Unit | None", None, help="of rewards; else that of the run's algorithm"),
    Setting(
        "algorithm", "str | None", None, help="my_algorithm.py:Name, whose code then runs, where it was trained so"
    ),
)


def run(words: Sequence[str]) -> int:
    parser = Parser("mooring estimate", description="Judges a run's policies by logs alone, against who made the logs.")
    parser.add_argument("path", metavar="RUN", nargs="?", help="the folder of a run, which keeps the estimates")
    parser.add_argument("--list", action="store_true", help="list the estimators, and what each is good for")
    parser.add_argument("--json", action="store_true", help="print the estimates as JSON")
    add_settings(parser, "logs", OWN)
    add_settings(parser, "estimation", ASKED)
    options = parser.read(words)
    if options.list:
        return _list()
    if options.path is None:
        parser.error("no run was named")
    own, asked = given(options, OWN), estimation(given(options, ASKED))

    from mooring.checkpoint import write_atomically
    from mooring.finetuning import data_of
    from mooring.ope.estimating import Judge
    from mooring.ope.selecting import candidates_of
    from mooring.runs import RunFolder

    folder = RunFolder(Path(options.path))
    algorithm = users_algorithm(own.get("algorithm"), folder.config()["algorithm"])
    logged, found = data_of(folder, own.get("data")), candidates_of(options.path, algorithm)
    judges = {
        discount: Judge(logged, discount, **asked) for discount in {own.get("discount", c.discount) for c in found}
    }
    judged: dict[str, Judgments] = {}
    for each in found:
        judged[each.label] = judges[own.get("discount", each.discount)](each.policy)
        if not options.json:
            _write(f"{options.path} {each.label}, on {logged.name}", judged[each.label])
    said = {"command": shlex.join(["mooring", "estimate", *words]), "data": logged.name, **described(judged)}
    write_atomically(folder.path / "estimates.json", json.dumps(said, indent=2).encode())
    if options.json:
        write_json(said)
    return 0


def estimation(asked: dict[str, Any]) -> dict[str, Any]:
    """What was asked of `estimate`, the names of estimators apart."""
    names = asked.get("estimators")
    return asked | ({} if names is None else {"estimators": [name.strip() for name in names.split(",")]})


def described(judged: dict[str, Judgments]) -> dict[str, Any]:
    """Estimates of a run's members as one list, each by its name, and its member's where there are several."""
    parts = {label: each.to_json() for label, each in judged.items()}
    first = next(iter(parts.values()))
    if len(parts) == 1:
        return first
    named = [each | {"name": f"{each['name']}, {label}"} for label, part in parts.items() for each in part["estimates"]]
    verdicts = {label: part["verdict"] for label, part in parts.items()}
    alike = len(set(verdicts.values())) == 1
    return first | {
        "estimates": named,
        "chosen": ", ".join(f"{label}: {part['chosen']}" for label, part in parts.items()),
        "verdict": first["verdict"] if alike else "; ".join(f"{label}: {said}" for label, said in verdicts.items()),
        "agreement": "; ".join(f"{label}: {part['agreement']}" for label, part in parts.items()),
    }


def _write(title: str, judged: Judgments) -> None:
    def interval(low: float, high: float) -> str:
        return f"[{number(low)}, {number(high)}]"

    rows = [
        ("(behavior)", number(judged.behavior.value), interval(judged.behavior.low, judged.behavior.high), "", "", "")
    ]
    for each in judged.each:
        size = "" if each.effective_size is None else f"{each.effective_size:.0f}"
        low, high = each.difference.low, each.difference.high
        rows.append(
            (
                each.estimator,
                number(each.value.value),
                interval(each.value.low, each.value.high),
                interval(low, high),
                size,
                each.verdict,
            )
        )
    header = ("estimator", "value>", "interval>", "less behavior>", "effective>", "verdict")
    write_table(header, rows, title=f"{title}: discount {judged.discount:g}")
    notes = dict.fromkeys(note for each in judged.each for note in (*each.faults, *each.warnings))
    for note in notes:
        who = [each.estimator for each in judged.each if note in (*each.faults, *each.warnings)]
        write(f"  {', '.join(who)}: {note}" if len(who) < len(judged.each) else f"  all: {note}")
    write(f"verdict: {judged.verdict} (by {judged.chosen.estimator}; {judged.agreement})")


def _list() -> int:
    from mooring.ope.methods import METHODS

    write_table(("estimator", "needs", "what for"), [(n, ", ".join(m.needs), m.about) for n, m in METHODS.items()])
    return 0
