"""The main job on the embedded data: logged episodes in, a judged policy out, in about two minutes on two cores.

The log is two kinds of episodes of one SAC run on HalfCheetah: its first ones, which go nowhere, and its last ones,
which run (benchmarks/quickstart_data.py makes it). Cloning all of them is a poor policy; a method that asks what each
action was worth can tell them apart. Settings are the papers' but for those in `jobs`, which suit a small log and
little time and are the same for both methods.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from mooring.algorithms.imitation.bc import BC
from mooring.algorithms.value_regularization.iql import IQL
from mooring.cli.output import write, write_table
from mooring.data import Dataset, load
from mooring.data.audit import audit
from mooring.data.catalog import normalized, score_range_of_env
from mooring.data.describe import ends
from mooring.errors import BadInput
from mooring.evaluation import Evaluation, evaluate
from mooring.evaluation.statistics import Estimate, iqm, mean, summarize
from mooring.report import plots
from mooring.training import Trained, train
from mooring.types import Algorithm

SEEDS = 4
EPISODES = 10
STEPS = 11_000
RESULTS = "results.json"
BEHAVIOR, CLONING, OFFLINE = "behavior policy", "behavior cloning", "IQL"


def jobs() -> dict[str, Algorithm]:
    """What is compared."""
    small: dict[str, Any] = {"hidden": (128, 128), "batch_size": 128, "learning_rate": 1e-3, "standardize": True}
    return {CLONING: BC(**small), OFFLINE: IQL(**small, decay_steps=STEPS)}


def main(folder: Path) -> None:
    """Audits, trains, evaluates and compares; leaves runs, plots, policies and results.json in `folder`.

    A folder that an earlier quickstart left is replaced. Raises BadInput where it holds anything else.
    """
    began = time.monotonic()
    if folder.exists() and any(folder.iterdir()) and not (folder / RESULTS).exists():
        raise BadInput(str(folder), "is not empty, and not a quickstart's", fix="name another with --folder")
    shutil.rmtree(folder, ignore_errors=True)
    data = load("quickstart").with_reward("return_range")
    _describe(data)
    write(f"\n2. Training {SEEDS} seeds of each method in one program, {STEPS:,} updates each")
    trained = {name: _learn(algorithm, data, folder) for name, algorithm in jobs().items()}
    write(f"\n3. Judging: {EPISODES} episodes of each seed in {data.env}")
    played = {name: evaluate(each.policies, data.env, EPISODES) for name, each in trained.items()}
    estimates = _compare(data, played)
    _draw(data, trained, played, folder)
    seconds = time.monotonic() - began
    results = {name: asdict(estimate) for name, estimate in estimates.items()}
    (folder / RESULTS).write_text(json.dumps({"score": results, "seconds": round(seconds, 1)}, indent=2))
    _say_what_is_next(folder, seconds)


def _describe(data: Dataset) -> None:
    reached = ", ".join(f"{count} {how}" for how, count in ends(data).items() if count)
    write(f"1. The data: {len(data):,} steps of {data.env} in {data.num_episodes} episodes ({reached})")
    low, middle, high = np.percentile(data.returns, [0, 50, 100])
    write(f"   returns from {low:,.0f} to {high:,.0f}, median {middle:,.0f}")
    findings = audit(data).at("failure", "warning", "note")
    write("   audit: " + ("nothing unusual" if not findings else ""))
    for finding in findings:
        write(f"   {finding.level}: {finding.field}: {finding.text}")


def _learn(algorithm: Algorithm, data: Dataset, folder: Path) -> Trained:
    return train(
        algorithm,
        data,
        STEPS,
        seeds=SEEDS,
        evaluate_every=STEPS // 4,
        episodes=3,
        folder=folder / algorithm.name,
        progress=True,
    )


def _compare(data: Dataset, played: Mapping[str, Evaluation]) -> dict[str, Estimate]:
    """The table. Scores of the behavior policy are those of the logged episodes."""
    returns = {BEHAVIOR: data.returns} | {name: each.returns for name, each in played.items()}
    scores = {name: normalized(each, _score_range(data)) for name, each in returns.items()}
    estimates = {name: summarize(each, iqm) for name, each in scores.items()}
    rows = [
        (name, f"{returns[name].mean():,.0f}", str(summarize(scores[name], mean)), str(estimates[name]))
        for name in returns
    ]
    write_table(("policy", "return>", "score: mean>", "score: IQM>"), rows)
    write("Scores: 0 is a random policy, 100 an expert. Brackets: 95 % intervals, over seeds; the behavior")
    write("policy's over the logged episodes.")
    best, others = estimates[OFFLINE], [estimates[BEHAVIOR], estimates[CLONING]]
    if all(best.low > other.high for other in others):
        write(f"{OFFLINE} is better than cloning and than the policy that made the data: its interval lies above both.")
    else:
        write(f"{OFFLINE}'s interval does not lie above both others: this run can not tell.")
    return estimates


def _draw(data: Dataset, trained: Mapping[str, Trained], played: Mapping[str, Evaluation], folder: Path) -> None:
    behavior = normalized(data.returns, _score_range(data))
    scores = {name: normalized(each.returns, _score_range(data)) for name, each in played.items()}
    curves = {name: plots.curve(each.rows) for name, each in trained.items()}
    figures = {
        "learning_curves": plots.learning_curves(curves, {BEHAVIOR: float(behavior.mean())}),
        "scores": plots.score_bars(scores, behavior),
        "returns": plots.return_histogram(data.returns, {name: each.returns for name, each in played.items()}),
    }
    for name, figure in figures.items():
        plots.save(figure, folder / "plots" / name)


def _score_range(data: Dataset) -> tuple[float, float]:
    found = score_range_of_env(data.env or "")
    assert found is not None, "the embedded data's environment has reference returns"
    return found


def _say_what_is_next(folder: Path, seconds: float) -> None:
    write(f"\nDone in {seconds:.0f} s. Plots: {folder}/plots/*.png. Policies: {folder}/iql/policies/*.safetensors")
    write("Next:")
    write(f"  mooring show {folder}/iql                      what was trained, on what, with which versions")
    write(f"  mooring evaluate {folder}/iql --episodes 20    the same policies, more episodes")
    write("  mooring train td3-bc quickstart --seeds 4      another method on the same data")
    write("  mooring algorithms                             all methods;  mooring data show my_log.npz: your data")
