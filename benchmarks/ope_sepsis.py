"""ICU-Sepsis: are the exact values of two policies within the intervals of simulated logs of another one?

    pip install icu-sepsis; python benchmarks/ope_sepsis.py make      what is missing of benchmarks/ope_sepsis.jsonl
    python benchmarks/ope_sepsis.py write                             the tables, as in docs/ope_real.md

The values are those of the linear equations over the 713 living states; the reward is 1 where the patient survives. The
discount is 0.99: without one, a model from counts may hold patients for ever, in pairs that were only seen to lead to
themselves. A result is one log: its line is written when it is done, and is not computed again.
"""

import argparse
import json
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from mooring.data import Dataset, Discrete
from mooring.environments.domains.icu_sepsis import Clinicians, make
from mooring.ope.estimators.doubly_robust import direct_method, doubly_robust, weighted_doubly_robust
from mooring.ope.estimators.importance import per_decision, weighted_per_decision
from mooring.ope.judgment import ENOUGH, Evidence, Judgment, judge
from mooring.ope.logs import Logs
from mooring.ope.tabular.cross_fitting import cross_fitted_values
from mooring.ope.tabular.model import Model, TabularLogs
from mooring.ope.tabular.second_moment import expected_effective_size

KNOWN = Path(__file__).parent / "ope_sepsis.jsonl"
DISCOUNT = 0.99
SURVIVED = 714
LIVING = 713  # the states before that and death
SIZES = {1_000: 100, 5_000: 50}  # episodes of a log, and how many logs
LOGGED = (
    (1.0, 0.0),
    (0.0, 1.0),
    (0.25, 0.0),
    (0.75, 1.0),
    (0.05, 0.0),
    (0.9, 1.0),
)  # share of uniform actions: in the log, of the target
MISSING = 0.05  # of the target's occupancy without rows: values are flagged
NAMES = ("pdis", "wpdis", "dr", "wdr", "dm")


class Tables(NamedTuple):
    """Where each pair of living state and action leads (cumulative probabilities), and the two policies."""

    start: Float[np.ndarray, " S"]
    onward: Float[np.ndarray, "L A S"]
    clinicians: Float[np.ndarray, "S A"]
    uniform: Float[np.ndarray, "S A"]

    @classmethod
    @cache
    def read(cls) -> "Tables":
        dynamics: Any = make().unwrapped.dynamics
        known = np.asarray(Clinicians.estimated().probs, np.float64)
        uniform = np.full_like(known, 1 / known.shape[1])
        clinicians = np.where(known.sum(1, keepdims=True) > 0, known, uniform)  # none act for the dead
        clinicians /= clinicians.sum(1, keepdims=True)
        return cls(dynamics["d_0"], np.cumsum(dynamics["tx_mat"][:LIVING], axis=2), clinicians, uniform)

    def mixed(self, share: float) -> Float[np.ndarray, "S A"]:
        """The clinicians, but for that share of uniform actions."""
        return (1 - share) * self.clinicians + share * self.uniform

    def value(self, policy: Float[np.ndarray, "S A"]) -> tuple[float, float]:
        """The discounted value, and the probability of survival, exactly."""
        moves = np.einsum("sa,sat->st", policy[:LIVING], np.diff(self.onward, axis=2, prepend=0))
        of = [np.linalg.solve(np.eye(LIVING) - g * moves[:, :LIVING], moves[:, SURVIVED]) for g in (DISCOUNT, 1.0)]
        discounted, survival = (float(self.start[:LIVING] @ each) for each in of)
        return discounted, survival

    def square(self, behavior: Float[np.ndarray, "S A"], target: Float[np.ndarray, "S A"]) -> float:
        """The expected square of an episode's weight, exactly; infinite where it is."""
        ratio = np.divide(target**2, behavior, out=np.zeros_like(target), where=behavior > 0)[:LIVING]
        moves = np.einsum("sa,sat->st", ratio, np.diff(self.onward, axis=2, prepend=0))
        if np.abs(np.linalg.eigvals(moves[:, :LIVING])).max() >= 1:
            return np.inf
        squares = np.linalg.solve(np.eye(LIVING) - moves[:, :LIVING], moves[:, LIVING:].sum(1))
        return float(self.start[:LIVING] @ squares)


def simulated(policy: Float[np.ndarray, "S A"], episodes: int, rng: np.random.Generator) -> Dataset:
    """Episodes of a policy, all at once, until the last patient has died or left."""
    tables = Tables.read()
    chances = np.cumsum(policy, axis=1)
    state, who = rng.choice(len(tables.start), episodes, p=tables.start), np.arange(episodes)
    parts: list[tuple[np.ndarray, ...]] = []
    while len(who):
        action = drawn(chances[state], rng)
        after = drawn(tables.onward[state, action], rng)
        parts.append((who, state, action, after))
        living = after < LIVING
        who, state = who[living], after[living]
    who, state, action, after = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(who, kind="stable")
    who, state, action, after = (column[order] for column in (who, state, action, after))
    return Dataset.build(
        state,
        action,
        after == SURVIVED,
        after >= LIVING,
        next_obs=after,
        obs_space=Discrete(len(policy)),
        action_space=Discrete(policy.shape[1]),
        name="icu-sepsis",
    )


def drawn(cumulative: Float[np.ndarray, "B K"], rng: np.random.Generator) -> Int[np.ndarray, " B"]:
    """One draw from each row."""
    return np.argmax(cumulative > rng.uniform(size=(len(cumulative), 1)) * cumulative[:, -1:], axis=1)


def tabular_of(data: Dataset, behavior: Float[np.ndarray, "S A"], target: Float[np.ndarray, "S A"]) -> TabularLogs:
    with np.errstate(divide="ignore"):
        known = (np.log(each[data.obs, data.action]) for each in (behavior, target))
        logs = Logs.of(data, DISCOUNT, *known)
    return TabularLogs.of(logs, data.obs, data.action, data.next_obs, target)


def judged(tabular: TabularLogs, expected_size: float) -> list[Judgment]:
    """All estimators of one target, as `mooring.estimate` makes them for tables."""
    model, logs = Model.of(tabular), tabular.logs
    values, crossed, missing = model.values(), cross_fitted_values(tabular), 1 - model.support
    by_name = {
        "pdis": per_decision(logs),
        "wpdis": weighted_per_decision(logs),
        "dr": doubly_robust(logs, crossed),
        "wdr": weighted_doubly_robust(logs, crossed),
    }
    few = (f"by a model, {expected_size:.0f} episodes should count",) if expected_size < ENOUGH else ()
    weighted = [judge(name, Evidence(each, few), logs, weighted=True) for name, each in by_name.items()]
    faults = (f"{missing:.0%} of the target's occupancy has no row",) if missing > MISSING else ()
    return [*weighted, judge("dm", Evidence(direct_method(logs, values), faults), logs, weighted=False)]


def result(logged: float, wanted: float, episodes: int, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng([int(100 * logged), int(100 * wanted), episodes, seed])
    tables = Tables.read()
    behavior, target = tables.mixed(logged), tables.mixed(wanted)
    tabular = tabular_of(simulated(behavior, episodes, rng), behavior, target)
    expected = expected_effective_size(tabular)
    found = judged(tabular, expected)
    said = {
        each.estimator: [round(part, 5) for part in (each.value.value, each.value.low, each.value.high)]
        + [each.verdict == "data does not support"]
        for each in found
    }
    return {"estimates": said, "size": round(found[0].effective_size or 0.0, 2), "expected": round(expected, 2)}


def known() -> dict[tuple[float, float, int, int], dict[str, Any]]:
    lines = KNOWN.read_text().splitlines() if KNOWN.exists() else []
    rows = map(json.loads, lines)
    return {(row["logged"], row["target"], row["episodes"], row["seed"]): row for row in rows}


def make_all() -> None:
    done = known()
    for episodes, (logged, wanted) in product(SIZES, LOGGED):
        for seed in range(SIZES[episodes]):
            if (logged, wanted, episodes, seed) not in done:
                row = {"logged": logged, "target": wanted, "episodes": episodes, "seed": seed}
                line = json.dumps(row | result(logged, wanted, episodes, seed))
                with KNOWN.open("a") as file:
                    file.write(line + "\n")
        print(f"{episodes} episodes, {logged:g} uniform, for {wanted:g}", flush=True)


def write() -> None:
    tables, rows = Tables.read(), known()
    for name, share in (("clinicians", 0.0), ("uniform", 1.0)):
        value, survival = tables.value(tables.mixed(share))
        print(f"{name}: {value:.5f}; {survival:.5f} survive")
    for logged, wanted in LOGGED:
        truth, target = tables.value(tables.mixed(wanted))[0], "uniform" if wanted else "clinicians"
        square = tables.square(tables.mixed(logged), tables.mixed(wanted))
        print(f"\n### Logs with {logged:.0%} uniform actions; target: {target}, {truth:.4f}; E[w^2] = {square:.3g}\n")
        print("| episodes | estimator | mean | error | covered | flagged | covered where not flagged |")
        print("|---:|---|---:|---:|---:|---:|---:|")
        for episodes in SIZES:
            chosen = [row for key, row in rows.items() if key[:3] == (logged, wanted, episodes)]
            for name in NAMES if chosen else ():
                print(line_of(name, episodes, truth, chosen))
        for episodes in SIZES:
            chosen = [row for key, row in rows.items() if key[:3] == (logged, wanted, episodes)]
            if chosen:
                size, expected = (np.median([row[key] for row in chosen]) for key in ("size", "expected"))
                print(f"\nOf {episodes:,}, medians: {size:.0f} count by their weights, {expected:.0f} by the model.")


def line_of(name: str, episodes: int, truth: float, rows: list[dict[str, Any]]) -> str:
    value, low, high, flagged = np.array([row["estimates"][name] for row in rows], float).T
    held, sound = (low <= truth) & (truth <= high), flagged == 0
    error = np.sqrt(np.mean((value - truth) ** 2))
    where = f"{held[sound].mean():.0%} of {sound.sum()}" if sound.any() else "none"
    return (
        f"| {episodes:,} | `{name}` | {value.mean():.3f} | {error:.3f} | {held.mean():.0%} of {len(rows)} "
        f"| {flagged.mean():.0%} | {where} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("make", "write"))
    {"make": make_all, "write": write}[parser.parse_args().what]()


if __name__ == "__main__":
    main()
