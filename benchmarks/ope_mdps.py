"""Off-policy estimates where the truth is known: simulates random MDPs, and writes docs/ope_benchmark.md.

    python benchmarks/ope_mdps.py make [--only estimates|choices]     what is missing of benchmarks/ope_mdps.jsonl
    python benchmarks/ope_mdps.py write                               the page
    python benchmarks/ope_mdps.py seconds                             of each estimator on 1,000 episodes

A result is one MDP: its line is written when it is done, and is not computed again. All seeds are fixed.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mooring.ope.contributions import Contributions
from mooring.ope.estimators.doubly_robust import (
    clipped_doubly_robust,
    direct_method,
    doubly_robust,
    shrunk_doubly_robust,
    switch_doubly_robust,
    weighted_doubly_robust,
)
from mooring.ope.estimators.importance import (
    effective_size,
    importance_sampling,
    per_decision,
    weighted_importance_sampling,
    weighted_per_decision,
)
from mooring.ope.estimators.magic import magic
from mooring.ope.intervals import student_t
from mooring.ope.judgment import ENOUGH, LEAST_SUPPORT, Evidence, Judgment, automatic, judge
from mooring.ope.logs import Values
from mooring.ope.ranking import false_better, regret_at, spearman
from mooring.ope.tabular.marginalized import marginalized, marginalized_stationary
from mooring.ope.tabular.model import Model, TabularLogs, tabular_fitted_q
from mooring.ope.tabular.mrdr import Choices, mrdr_values
from mooring.ope.tabular.random_mdps import TabularMDP, TabularPolicy, mixture, random_policy, softmax_policy
from mooring.ope.tabular.traces import traced_values

HERE = Path(__file__).parent
KNOWN, PAGE = HERE / "ope_mdps.jsonl", HERE.parent / "docs" / "ope_benchmark.md"
STATES, ACTIONS = 20, 4


class Setting(NamedTuple):
    """Episodes per log, and how many of them should count: their mean effective size."""

    episodes: int
    size: float


SETTINGS = {"54": Setting(500, 54), "7": Setting(1000, 7), "200": Setting(1000, 200)}
MDPS, LOGS, PILOTS = 10, 40, 20
CHOICES, POLICIES, FEW = 100, 12, 100

Estimator = Callable[[TabularLogs, Values], Contributions]
BY_WEIGHTS: dict[str, Estimator] = {
    "is": lambda tabular, _: importance_sampling(tabular.logs),
    "wis": lambda tabular, _: weighted_importance_sampling(tabular.logs),
    "pdis": lambda tabular, _: per_decision(tabular.logs),
    "wpdis": lambda tabular, _: weighted_per_decision(tabular.logs),
}
ESTIMATORS: dict[str, Estimator] = BY_WEIGHTS | {
    "dr": lambda tabular, values: doubly_robust(tabular.logs, values),
    "wdr": lambda tabular, values: weighted_doubly_robust(tabular.logs, values),
    "switch": lambda tabular, values: switch_doubly_robust(tabular.logs, values),
    "shrunk": lambda tabular, values: shrunk_doubly_robust(tabular.logs, values),
    "clipped": lambda tabular, values: clipped_doubly_robust(tabular.logs, values),
    "magic": lambda tabular, values: magic(tabular.logs, values),
    "mis": lambda tabular, _: marginalized(tabular),
    "mis-stationary": lambda tabular, _: marginalized_stationary(tabular),
    "retrace": lambda tabular, _: direct_method(tabular.logs, traced_values(tabular)),
    "dm": lambda tabular, values: direct_method(tabular.logs, values),
}
BARS = {  # root mean square errors over the return's standard deviation, set as the measure before
    "54": {"pdis": 0.23, "wis": 0.14, "wpdis": 0.064, "dr": 0.057, "wdr": 0.057, "dm": 0.033},
    "7": {"wpdis": 0.19, "wdr": 0.16, "dm": 0.028},
}


def problem(rng: np.random.Generator) -> tuple[TabularMDP, TabularPolicy]:
    """An MDP and the behavior policy: half uniform, half random."""
    mdp = TabularMDP.random(rng, STATES, ACTIONS)
    return mdp, mixture(np.full((STATES, ACTIONS), 1 / ACTIONS), random_policy(rng, STATES, ACTIONS), 0.5)


def target_for(setting: Setting, mdp: TabularMDP, behavior: TabularPolicy, rng: np.random.Generator) -> TabularPolicy:
    """The behavior policy, mixed with a random one until the mean effective size of pilot logs is as it should be."""
    other = random_policy(rng, STATES, ACTIONS)
    pilots = [mdp.simulate(behavior, setting.episodes, rng) for _ in range(PILOTS)]
    low, high = 0.0, 1.0
    for _ in range(10):
        target = mixture(behavior, other, (low + high) / 2)
        size = np.mean([effective_size(mdp.logs(data, target).logs) for data in pilots])
        low, high = ((low + high) / 2, high) if size > setting.size else (low, (low + high) / 2)
    return target


def estimated(setting: str, seed: int) -> dict[str, Any]:
    """Each estimate, and its t interval, on each of the logs of one MDP."""
    rng = np.random.default_rng([seed, SETTINGS[setting].episodes, int(SETTINGS[setting].size)])
    mdp, behavior = problem(rng)
    target = target_for(SETTINGS[setting], mdp, behavior, rng)
    sizes, found = [], {name: [] for name in ESTIMATORS}
    for _ in range(LOGS):
        tabular = mdp.logs(mdp.simulate(behavior, SETTINGS[setting].episodes, rng), target)
        values = Model.of(tabular).values()
        sizes.append(round(effective_size(tabular.logs), 2))
        for name, estimator in ESTIMATORS.items():
            interval = student_t(estimator(tabular, values))
            found[name].append([round(each, 4) for each in (interval.value, interval.low, interval.high)])
    own = mdp.logs(mdp.simulate(target, 20_000, rng), target).logs.returns
    return {"truth": mdp.value(target), "spread": float(own.std()), "sizes": sizes, "estimates": found}


def candidates(mdp: TabularMDP, behavior: TabularPolicy, rng: np.random.Generator) -> list[TabularPolicy]:
    """What learning more or less well might give: half the behavior, half a softmax of Q with more and more noise."""
    best = mdp.best()
    noisy = [best + noise * rng.normal(size=best.shape) for noise in np.linspace(1, 3, POLICIES)]
    return [mixture(behavior, softmax_policy(q, 0.5), 0.5) for q in noisy]


def judged(tabular: TabularLogs) -> dict[str, Judgment]:
    model = Model.of(tabular)
    values, logs = model.values(), tabular.logs
    unsupported = () if model.support >= LEAST_SUPPORT else (f"{model.support:.0%} of the target's occupancy has data",)
    weighted = {
        name: judge(name, Evidence(ESTIMATORS[name](tabular, values)), logs, weighted=True)
        for name in ("wpdis", "dr", "wdr")
    }
    return weighted | {"dm": judge("dm", Evidence(direct_method(logs, values), unsupported), logs, weighted=False)}


def choice(seed: int) -> dict[str, Any]:
    """What estimators say of each of the policies, by the same few episodes."""
    rng = np.random.default_rng([seed])
    mdp, some = problem(rng)
    behavior = mixture(some, softmax_policy(mdp.best(), 0.5), 0.5)  # not bad, so that many others are worse
    data, policies = mdp.simulate(behavior, FEW, rng), candidates(mdp, behavior, rng)
    said: dict[str, list[float]] = {name: [] for name in ("wpdis", "dr", "wdr", "dm", "automatic")}
    better = []
    for policy in policies:
        found = judged(mdp.logs(data, policy))
        chosen = automatic(list(found.values()))
        better.append(chosen.verdict == "better")
        for name, each in (found | {"automatic": chosen}).items():
            said[name].append(round(each.value.value, 4))
    true = [mdp.value(policy) for policy in policies]
    return {"true": true, "behavior": mdp.value(behavior), "estimates": said, "better": better}


def known() -> dict[tuple[str, int], dict[str, Any]]:
    lines = KNOWN.read_text().splitlines() if KNOWN.exists() else []
    return {(each["part"], each["mdp"]): each for each in map(json.loads, lines)}


def make(only: str | None) -> None:
    done = known()
    jobs: list[tuple[str, int, Callable[[], dict[str, Any]]]] = []
    if only != "choices":
        jobs += [
            (name, seed, lambda name=name, seed=seed: estimated(name, seed))
            for name in SETTINGS
            for seed in range(MDPS)
        ]
    if only != "estimates":
        jobs += [("choice", seed, lambda seed=seed: choice(seed)) for seed in range(CHOICES)]
    for part, seed, job in jobs:
        if (part, seed) not in done:
            line = json.dumps({"part": part, "mdp": seed} | job())
            with KNOWN.open("a") as file:
                file.write(line + "\n")
            print(f"{part} {seed}", flush=True)


def scores(setting: str) -> dict[str, dict[str, float]]:
    """Of each estimator over all logs: error and bias over the return's standard deviation, coverage, and width."""
    lines = [each for (part, _), each in known().items() if part == setting]
    of = {}
    for name in ESTIMATORS:
        found = np.array([line["estimates"][name] for line in lines])  # MDPs, logs, (value, low, high)
        truth, spread = (np.array([line[key] for line in lines])[:, None] for key in ("truth", "spread"))
        error = (found[..., 0] - truth) / spread
        held = (found[..., 1] <= truth) & (truth <= found[..., 2])
        of[name] = {
            "error": float(np.sqrt((error**2).mean())),
            "bias": float(error.mean(1).mean()),
            "coverage": float(held.mean()),
            "width": float(((found[..., 2] - found[..., 1]) / spread).mean()),
        }
    return of


def flagged() -> Iterator[tuple[str, int, float, int, float]]:
    """Of each estimator by weights: logs and coverage where too few episodes count, and where enough do."""
    lines = [each for (part, _), each in known().items() if part in SETTINGS]
    enough = np.array([line["sizes"] for line in lines]) >= ENOUGH
    truth = np.array([line["truth"] for line in lines])[:, None]
    for name in BY_WEIGHTS:
        found = np.array([line["estimates"][name] for line in lines])
        held = (found[..., 1] <= truth) & (truth <= found[..., 2])
        yield name, int((~enough).sum()), float(held[~enough].mean()), int(enough.sum()), float(held[enough].mean())


def choices() -> dict[str, tuple[float, float]]:
    """Of each estimator: mean rank correlation, and mean regret@1."""
    lines = [each for (part, _), each in known().items() if part == "choice"]
    of = {}
    for name in lines[0]["estimates"]:
        pairs = [(np.array(line["estimates"][name]), np.array(line["true"])) for line in lines]
        of[name] = (
            float(np.mean([spearman(*pair) for pair in pairs])),
            float(np.mean([regret_at(1, *pair) for pair in pairs])),
        )
    return of


def said_better() -> tuple[float, float, float]:
    """Shares of all policies: said to be better, truly better, and said to be better though they are not."""
    lines = [each for (part, _), each in known().items() if part == "choice"]
    said, true = (np.array([line[key] for line in lines]) for key in ("better", "true"))
    behavior = np.array([line["behavior"] for line in lines])[:, None]
    wrong = [false_better(np.array(line["better"]), np.array(line["true"]), line["behavior"]) for line in lines]
    return float(said.mean()), float((true > behavior).mean()), float(np.mean(wrong))


def seconds() -> dict[str, float]:
    """The best of five, each by itself on the same 1,000 episodes; "values" are those of the model."""
    rng = np.random.default_rng(0)
    mdp, behavior = problem(rng)
    target = target_for(SETTINGS["200"], mdp, behavior, rng)
    tabular = mdp.logs(mdp.simulate(behavior, 1000, rng), target)
    values = Model.of(tabular).values()
    jobs: dict[str, Callable[[], object]] = {
        "values by the model": lambda: Model.of(tabular).values(),
        "values by fitted Q evaluation": lambda: tabular_fitted_q(tabular),
        "values by MRDR": lambda: mrdr_values(tabular.logs, Choices.tabular(tabular)),
    }
    jobs |= {f"`{name}`": lambda each=each: student_t(each(tabular, values)) for name, each in ESTIMATORS.items()}

    def once(job: Callable[[], object]) -> float:
        began = time.perf_counter()
        job()
        return time.perf_counter() - began

    return {name: min(once(job) for _ in range(5)) for name, job in jobs.items()}


def page() -> str:
    rows = known()
    if missing := [part for part in (*SETTINGS, "choice") if not any(each == part for each, _ in rows)]:
        raise SystemExit(f"nothing yet of {', '.join(missing)}: run make first")
    done = {part: sum(each == part for each, _ in rows) for part in (*SETTINGS, "choice")}
    said, truly, wrong = said_better()
    return PAGE_TEXT.format(
        mdps=done["54"],
        logs=LOGS,
        pilots=PILOTS,
        choices=done["choice"],
        few=FEW,
        policies=POLICIES,
        enough=ENOUGH,
        error=100 * (0.95 * 0.05 / (done["54"] * LOGS)) ** 0.5,
        estimates="\n\n".join(_estimates(setting) for setting in SETTINGS),
        flagged="\n".join(
            f"| `{name}` | {few} | {100 * held_few:.1f} % | {many} | {100 * held:.1f} % |"
            for name, few, held_few, many, held in flagged()
        ),
        ranks="\n".join(f"| `{name}` | {rank:.3f} | {regret:.3f} |" for name, (rank, regret) in choices().items()),
        said=100 * said,
        truly=100 * truly,
        wrong=100 * wrong,
        seconds="\n".join(f"| {name} | {1000 * taken:.1f} |" for name, taken in seconds().items()),
    )


def _estimates(setting: str) -> str:
    sizes = np.mean([each["sizes"] for (part, _), each in known().items() if part == setting])
    lines = [
        f"### {SETTINGS[setting].episodes} episodes, of which {sizes:.1f} count",
        "",
        "| estimator | error | bar | bias | coverage of 95 % | width |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, of in scores(setting).items():
        peer = BARS.get(setting, {}).get(name)
        lines.append(
            f"| `{name}` | {of['error']:.3f} | {'' if peer is None else f'{peer:g}'} | {of['bias']:+.3f} "
            f"| {100 * of['coverage']:.1f} % | {of['width']:.3f} |"
        )
    return "\n".join(lines)


PAGE_TEXT = """# Off-policy estimates where the truth is known

Written by `python benchmarks/ope_mdps.py write`; `make` in place of `write` computes the results anew where
`benchmarks/ope_mdps.jsonl` does not have them.

The processes are random: 20 states, 4 actions, horizon 25, discount 0.95; every pair of state and action leads to 5
states, and has a reward that is a unit normal draw. The behavior policy is half uniform, half random. Values are those
of the model from counts, learned from the same episodes (`mooring.ope.tabular.model`).

## Errors and intervals

{mdps} processes, {logs} logs of each. The target policy is the behavior policy, mixed with another random policy until
the mean effective size of {pilots} pilot logs is as wanted. Errors are root mean squares over all logs; they, biases
and widths are divided by the standard deviation of the target policy's return. Intervals are `student_t`'s, at 95 %;
with {mdps} x {logs} logs, the standard error of a coverage of 95 % is {error:.1f} %. The "bar" is the error that was
set as the measure beforehand, from a trial on processes of this kind, which were not the same ones.

{estimates}

`switch`, `shrunk` and `clipped` choose their parameter by Lepski's rule, and leave almost all to values as good as
these. MRDR is not here: values that do not depend on the timestep are too coarse where the horizon is near, and with
tables for each timestep its fit has more numbers than it can carry.

## Which intervals to trust

Importance sampling is flagged where its effective size is below {enough}. Coverage, over all the logs above:

| estimator | flagged logs | coverage | other logs | coverage |
|---|---:|---:|---:|---:|
{flagged}

## Choosing

{policies} policies on each of {choices} processes, from {few} episodes. Half of what the behavior policy does here is
good: a softmax of the optimal values. The candidates are mixtures of it, by halves, with a softmax of optimal values
that have normal noise of standard deviation 1 to 3, so that they are near each other, and many are worse than it.
`automatic` is the rule of `mooring.ope.judgment.automatic` among the others. Mean rank correlation (Spearman) and mean
regret@1, which is what the chosen policy is worth less than the best, over the range of all that could be chosen:

| estimator | rank correlation | regret@1 |
|---|---:|---:|
{ranks}

Of all policies the automatic judgment calls {said:.1f} % better than the behavior policy, by the paired 95 % interval
of their difference; {truly:.1f} % are. {wrong:.2f} % are called better, and are not.

## Your own estimator

`check_estimator` puts it through less than this, in seconds: exact on policy, errors that shrink, an interval that
covers, and never NaN. `known` has the data set, its logs and tables, and the true value:

```python
from mooring.ope.estimators.importance import weighted_per_decision
from mooring.testing import check_estimator

check_estimator(lambda known: weighted_per_decision(known.tabular.logs))
```

## Time

Milliseconds on 1,000 episodes of 25 rows, interval included, the best of five, on two cores that others used too:

| estimator | ms |
|---|---:|
{seconds}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("make", "write", "seconds"))
    parser.add_argument("--only", choices=("estimates", "choices"))
    given = parser.parse_args()
    if given.what == "make":
        make(given.only)
    elif given.what == "write":
        PAGE.write_text(page())
    else:
        for name, taken in seconds().items():
            print(f"{name:32}{1000 * taken:8.1f} ms")


if __name__ == "__main__":
    main()
