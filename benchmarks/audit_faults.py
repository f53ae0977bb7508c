"""What the auditor catches, and what it says of sound data: known faults are put into good sets, one at a time.

    python benchmarks/audit_faults.py [FOLDER ...]         shipped sets, and every .hdf5 and .npz below the folders
    python benchmarks/audit_faults.py --tasks              random actions, some held on to, in Gymnasium's tasks
    python benchmarks/audit_faults.py --seconds [--rows N] the time and memory of an audit of N made-up rows

A fault is caught where a check that is meant for it warns or fails; a warning or a failure on a set as it is counts as
a false alarm. Some faults can not be put into some sets (no terminations to be lost, for one).
"""

import argparse
import time
import tracemalloc
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from mooring.data import Bounds, Dataset, Discrete, Episode, load
from mooring.data.audit import CHECKS, audit
from mooring.data.audit.faults import FAULTS, MORE, SILENT
from mooring.environments.making import make

SHIPPED = ("quickstart", "pointmass-easy", "pointmass-medium", "pointmass-hard")
TASKS = (
    *("Pendulum-v1", "CartPole-v1", "Acrobot-v1", "MountainCar-v0", "MountainCarContinuous-v0", "Walker2d-v5"),
    *("Swimmer-v5", "Reacher-v5", "InvertedPendulum-v5", "InvertedDoublePendulum-v5", "Pusher-v5", "Ant-v5"),
)
OBJECTIONS = ("warning", "failure")


def caught(fault: str, data: Dataset) -> bool | None:
    """None where the fault can not be put in."""
    wrong = FAULTS[fault].inject(data)
    if wrong is None:
        return None
    checks = (check for check in CHECKS if check.name in FAULTS[fault].checks)
    return any(finding.level in OBJECTIONS for check in checks for finding in check.find(wrong))


def rolled_out(task: str, steps: int = 10_000) -> Dataset:
    """Whole episodes of random actions, each of which is kept for two steps on average."""
    env, draw, episodes, count = make(task), np.random.default_rng(0), [], 0
    env.action_space.seed(0)
    while count < steps:
        obs, action, reward, terminated, truncated = [env.reset(seed=count)[0]], [], [], False, False
        while not (terminated or truncated):
            held = action and draw.random() < 0.5
            action.append(action[-1] if held else env.action_space.sample())
            seen, gained, terminated, truncated, _ = env.step(action[-1])
            obs.append(seen)
            reward.append(gained)
        episodes.append(Episode(np.array(obs, np.float32), np.array(action), np.array(reward), bool(terminated)))
        count += len(action)
    space = env.action_space
    known = Discrete(int(space.n)) if hasattr(space, "n") else Bounds.of(space.low, space.high, len(space.low))
    return Dataset.from_episodes(episodes, name=task, action_space=known)


def measure(sets: Iterable[Dataset]) -> None:
    tally, missed, alarms, sound = Counter(), [], [], 0
    for data in sets:
        name, sound = data.name, sound + 1
        report = audit(data)
        alarms += [f"{name}: {each.check}: {each.text}" for each in report.at(*OBJECTIONS)]
        for fault in FAULTS:
            answer = caught(fault, data)
            tally[fault, answer] += 1
            missed += [f"{fault} in {name}"] * (answer is False)
        print(f"{name}: {report.verdict}", flush=True)
    print("\n| fault | what happens | caught | put in |\n|---|---|---|---|")
    for fault, each in FAULTS.items():
        put_in = tally[fault, True] + tally[fault, False]
        print(f"| {fault} | {each.words} | {tally[fault, True]} | {put_in} |")
    for title, faults in (("the silent seven", SILENT), ("the others", MORE)):
        hits, misses = (sum(tally[fault, answer] for fault in faults) for answer in (True, False))
        print(f"\n{title}: {hits} of {hits + misses} caught")
    print("missed: " + ("; ".join(missed) or "none"))
    print(f"false alarms on {sound} sound sets: {len(alarms)}", *alarms, sep="\n")


def time_it(rows: int) -> None:
    """Hopper's shapes, made up by repeating the quickstart's rows with a little noise."""
    seed = load("quickstart")
    draw, times = np.random.default_rng(0), -(-rows // len(seed))
    data = seed.select(np.tile(np.arange(seed.num_episodes), times)[: rows // int(seed.lengths.max()) + 1])
    noise = lambda column: column + 1e-3 * draw.standard_normal(column.shape, dtype=np.float32)
    obs = noise(data.obs)
    data = replace(data, obs=obs, next_obs=np.where(data.last[:, None], data.next_obs, np.roll(obs, -1, axis=0)))
    began, spent = time.perf_counter(), time.process_time()
    report = audit(data)
    seconds, spent = time.perf_counter() - began, time.process_time() - spent
    tracemalloc.start()
    audit(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    columns = sum(column.nbytes for column in data.columns().values()) / 2**20
    print(f"{len(data):,} rows ({columns:.0f} MiB), {report.verdict}")
    print(f"{seconds:.1f} s, {spent:.1f} s of processor time, at most {peak / 2**20:.0f} MiB beside the data")
    for check in CHECKS:
        began = time.process_time()
        list(check.find(data))
        spent = time.process_time() - began
        if spent > 0.1:
            print(f"  {check.name:26}{spent:6.2f} s of processor time")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--tasks", action="store_true", help="put the faults into logs of Gymnasium's tasks")
    parser.add_argument("--seconds", action="store_true", help="measure time and memory instead")
    parser.add_argument("--rows", type=int, default=1_000_000)
    given = parser.parse_args()
    if given.seconds:
        time_it(given.rows)
        return
    files = [file for folder in given.folders for file in sorted(folder.rglob("*")) if file.suffix in (".hdf5", ".npz")]
    measure(map(rolled_out, TASKS) if given.tasks else map(load, [*SHIPPED, *map(str, files)]))


if __name__ == "__main__":
    main()
