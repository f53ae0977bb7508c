"""Does the watcher warn in time, and does it keep quiet? Methods that diverge on small problems, and some that do not.

    python benchmarks/divergence.py make [--case NAME] [--tuning] [--data FOLDER] [--work FOLDER]
    python benchmarks/divergence.py judge [--tuning] [--work FOLDER]
    python benchmarks/divergence.py cost

`make` trains the cases, the seeds of each in one program, and goes on where it was killed; `judge` turns their rows
into lines of benchmarks/divergence.jsonl and prints tables. With --tuning the seeds are others: those that the light's
thresholds were chosen on. Values are looked at every 50 updates, to know when they pass the bound; the light is judged
as if it had seen but every second look, every fifth and so on.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from mooring import loop, registry
from mooring.data import Dataset, load
from mooring.diagnostics.light import Light, judge, last_looks
from mooring.hooks.watch import Watch
from mooring.runs import RunFolder
from mooring.training import Session, train

HERE = Path(__file__).parent
KNOWN = HERE / "divergence.jsonl"
TUNING_SEEDS = range(100, 106)
EVERY, CADENCES = 50, (50, 100, 250, 500, 1_000)
IN_TIME = 100  # updates ahead of passing the bound
DEFAULT = 1_000  # updates from one look to the next in `mooring train`
SMALL = {"hidden": (64, 64), "batch_size": 64}  # 20 seeds fit on two cores; all else as published, but for `settings`
FAST = {"target_rate": 0.05}  # ten times the published rate: what takes 30,000 updates else happens in 3,000


class Case(NamedTuple):
    name: str
    method: str
    data: str
    steps: int
    settings: dict[str, Any] = {}
    seeds: int = 20


CASES = (
    Case("td3-narrow", "td3", "narrow", 2_500, FAST),
    Case("td3-bc-narrow", "td3-bc", "narrow", 2_000, FAST),
    Case("sac-hopper", "sac", "hopper", 1_600, FAST),
    Case("iql-narrow", "iql", "narrow", 1_500, FAST),
    Case("rebrac-narrow", "rebrac", "narrow", 1_500, FAST),
    Case("dqn-maze", "dqn", "maze", 3_000, {"target_period": 20, "learning_rate": 1e-3}),
    Case("sac-narrow", "sac", "narrow", 1_700, FAST),
    Case("cql-narrow", "cql", "narrow", 600, FAST | {"samples": 4}),
    Case("bcq-maze", "bcq", "maze", 3_000),
    Case("td3-hopper", "td3", "hopper", 3_200, FAST),
    Case("td3-bc-quickstart", "td3-bc", "quickstart", 3_000),
    Case("iql-quickstart", "iql", "quickstart", 3_000),
    Case("sac-narrow-published", "sac", "narrow", 16_000, seeds=4),
    Case("sac-hopper-published", "sac", "hopper", 20_000, seeds=4),
)


def data_of(name: str, folder: Path) -> Dataset:
    """The quickstart's episodes, or the four best of them; a maze; a file in D4RL's layout."""
    if name == "narrow":
        whole = load("quickstart")
        return whole.select(np.sort(np.argsort(whole.returns)[-4:]))
    places = {"quickstart": "quickstart", "maze": "pointmass-medium", "hopper": folder / "hopper-medium.hdf5"}
    return load(places[name])


def make(case: Case, seeds: range, folder: Path, work: Path) -> None:
    """One population, from where it was left."""
    data = data_of(case.data, folder)
    kind = "discrete" if case.data == "maze" else "continuous"
    algorithm = registry.load_class(registry.find(case.method, kind))(**(SMALL | case.settings))
    began = time.monotonic()
    train(
        algorithm,
        data,
        case.steps,
        seeds=list(seeds),
        folder=work / case.name,
        resume=(work / case.name / "config.json").exists(),
        save_every=1_000,
        hooks=[Watch(EVERY, data)],
    )
    print(f"{case.name}: {time.monotonic() - began:.0f} s", flush=True)


def judged(case: Case, work: Path) -> dict[str, Any] | None:
    """What the light said in each run of a case, at several distances between looks; None where it was not made."""
    folder = RunFolder(work / case.name)
    if not folder.config_file.exists() or folder.saved_step() < case.steps:
        return None
    rows = [row for row in folder.rows() if row["kind"] == "watch"]
    members = range(len(rows[0]["q"]))
    passed = [passing(rows, member) for member in members]
    result = case._asdict() | {"seeds": len(members), "diverged": sum(map(bool, passed)), "passed": passed}
    return result | {"lights": {str(every): tally(passed, alarms(rows, every)) for every in CADENCES}}


def passing(rows: list[dict[str, Any]], member: int) -> int | None:
    """The first step at which |Q| is above its bound."""
    return next((row["step"] for row in rows if row["q"][member] > row["bound"][member]), None)


def alarms(rows: list[dict[str, Any]], every: int) -> list[int | None]:
    """Each member's first step of a red light, were there no looks but every so many updates."""
    seen = [row for row in rows if row["step"] % every == 0]

    def red(place: int, member: int) -> bool:
        return judge(last_looks(seen[: place + 1], member)).light == Light.RED

    members, places = range(len(rows[0]["q"])), range(len(seen))
    return [next((seen[place]["step"] for place in places if red(place, member)), None) for member in members]


def tally(passed: list[int | None], alarms: list[int | None]) -> dict[str, Any]:
    """Leads are counted in updates from the alarm to the first look above the bound."""
    pairs = list(zip(passed, alarms, strict=True))
    leads = [over - red for over, red in pairs if over and red]
    return {
        "in_time": sum(lead >= IN_TIME for lead in leads),
        "least_lead": min(leads, default=None),
        "median_lead": float(np.median(leads)) if leads else None,
        "false": sum(bool(red) and not over for over, red in pairs),
    }


def table(found: list[dict[str, Any]], every: int) -> str:
    heads = (
        "case",
        "updates",
        "settings",
        "seeds",
        "diverged",
        "red in time",
        "least lead",
        "median lead",
        "false red",
    )
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for each in found:
        light, stable = each["lights"][str(every)], each["seeds"] - each["diverged"]
        settings = ", ".join(f"{name} {value}" for name, value in each["settings"].items()) or "published"
        in_time = f"{light['in_time']} of {each['diverged']}" if each["diverged"] else "-"
        leads = ["-" if light[name] is None else f"{light[name]:,.0f}" for name in ("least_lead", "median_lead")]
        false = f"{light['false']} of {stable}" if stable else "-"
        cells = each["name"], f"{each['steps']:,}", settings, each["seeds"], each["diverged"], in_time, *leads, false
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def cost() -> None:
    """Looks against updates, in turns: medians, so that other work on the machine hits both alike."""
    data = load("quickstart")
    for seeds in (1, 4):
        for name in ("td3-bc", "iql"):
            algorithm = registry.load_class(registry.find(name, "continuous"))()
            trained = train(algorithm, data, 10, seeds=seeds)
            source, run, watch = algorithm.source(data), trained.run, Watch(EVERY, data)
            session = Session("main", trained.algorithms, source, run, 0, 1, trained.spec, trained.members, [], [])
            watch(session)
            looks, updates = [], []
            for _ in range(20):
                began = time.perf_counter()
                watch(session)
                looks.append(time.perf_counter() - began)
                began = time.perf_counter()
                session.run, _ = loop.advance(session.algorithms, source, session.run, 50)
                jax.block_until_ready(session.run)
                updates.append((time.perf_counter() - began) / 50)
            look, update = np.median(looks), np.median(updates)
            share = look / (look + DEFAULT * update)
            times = f"a look {1e3 * look:.1f} ms, an update {1e3 * update:.2f} ms"
            print(f"{name}, {seeds} seeds: {times}, a look every {DEFAULT:,} updates {share:.2%} of the time")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("make", "judge", "cost"))
    parser.add_argument("--case", action="append", choices=[case.name for case in CASES])
    parser.add_argument("--tuning", action="store_true")
    parser.add_argument("--data", type=Path, default=Path("."), help="folder of hopper-medium.hdf5")
    parser.add_argument("--work", type=Path, default=Path("runs/divergence"))
    given = parser.parse_args()
    work = given.work / ("tuning" if given.tuning else "reported")
    if given.what == "cost":
        cost()
    for case in CASES:
        if given.what == "make" and case.name in (given.case or [case.name]):
            make(case, TUNING_SEEDS if given.tuning else range(case.seeds), given.data, work)
    if given.what == "judge":
        lines = [json.dumps(each) for case in CASES if (each := judged(case, work))]
        if not given.tuning:
            KNOWN.write_text("".join(line + "\n" for line in lines))
        for every in CADENCES:
            print(f"\nlooks every {every} updates\n{table([json.loads(line) for line in lines], every)}")
