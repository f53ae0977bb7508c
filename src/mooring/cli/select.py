"""`mooring select RUN...`: which of many policies to deploy, from logs alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mooring.cli.data import DATA_HELP
from mooring.cli.estimate import ASKED, estimation
from mooring.cli.output import number, write, write_json, write_table
from mooring.cli.parsing import Parser, add_settings, given
from mooring.registry import Setting

if TYPE_CHECKING:
    from mooring.evaluation.contest import Contest
    from mooring.ope.selecting import Selection, Truth

OWN = (
    Setting("data", "str | None", None, help=f"the logs, where they are not the first run's: {DATA_HELP}"),
    Setting("discount", "Unit | None", None, help="of rewards; else that of the first run's algorithm"),
    Setting("env", "str | None", None, help="Gymnasium environment to act in; else that of the first run"),
    Setting("episodes", "Count | None", None, help="that each policy plays, to see how good the order is"),
    Setting("budget", "Count | None", None, help="episodes in all, by which the best policy is found"),
)


def run(words: Sequence[str]) -> int:
    parser = Parser("mooring select", description="Ranks the policies of runs by logs alone.")
    parser.add_argument("runs", metavar="RUN", nargs="+", help="the folders of runs on the same kind of data")
    parser.add_argument("--json", action="store_true", help="print all of it as JSON")
    add_settings(parser, "selection", OWN)
    add_settings(parser, "estimation", ASKED)
    options = parser.read(words)
    own, asked = given(options, OWN), estimation(given(options, ASKED))

    from mooring.ope.selecting import select

    found = select(options.runs, **own, **asked)
    if options.json:
        write_json(_described(found))
        return 0
    rows = [
        (
            str(place),
            each.name,
            number(best.value.value),
            f"[{number(best.value.low)}, {number(best.value.high)}]",
            best.estimator,
            judged.verdict,
        )
        for place, (each, judged) in enumerate(zip(found.candidates, found.judged, strict=True), start=1)
        for best in (judged.chosen,)
    ]
    write_table(("", "policy", "value>", "interval>", "by", "verdict"), rows)
    write(f"estimators agree on the order by {number(found.agreement)} (mean rank correlation; 1: wholly)")
    if found.truth is not None:
        _write_truth(found, found.truth)
    if found.contest is not None:
        _write_contest(found, found.contest)
    return 0


def _write_truth(found: Selection, truth: Truth) -> None:
    means = [number(float(returns.mean())) for returns in truth.returns]
    write_table(("policy", "mean return>"), list(zip((each.name for each in found.candidates), means, strict=True)))
    regret = ", ".join(f"@{k}: {value:.2f}" for k, value in enumerate(truth.regret[:5], start=1))
    write(f"rank correlation with what they got: {number(truth.spearman)}; false better: {truth.false_better:.0%}")
    write(f"regret {regret} (of the best of the first k, as a share of best less worst)")


def _write_contest(found: Selection, contest: Contest) -> None:
    rows = [
        (
            str(place),
            found.candidates[each].name,
            number(float(contest.returns[each].mean())),
            str(len(contest.returns[each])),
        )
        for place, each in enumerate(contest.ranking, start=1)
    ]
    write_table(("", "policy", "mean return>", "episodes>"), rows, title="by acting")
    lead = contest.lead
    write(f"the first is ahead of the second by {number(lead.value)} [{number(lead.low)}, {number(lead.high)}]")


def _described(found: Selection) -> dict[str, Any]:
    described: dict[str, Any] = {
        "policies": [
            {"run": each.run, "member": each.label, **judged.to_json()}
            for each, judged in zip(found.candidates, found.judged, strict=True)
        ],
        "agreement": found.agreement,
    }
    if found.truth is not None:
        described["truth"] = asdict(found.truth) | {"returns": [each.tolist() for each in found.truth.returns]}
    if found.contest is not None:
        described["contest"] = asdict(found.contest) | {"returns": [each.tolist() for each in found.contest.returns]}
    return described
