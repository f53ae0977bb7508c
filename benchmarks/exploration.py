"""Cells of the pointmass mazes that random actions and random network distillation visit, by steps.

    python benchmarks/exploration.py [--mazes hard] [--seeds 3] [--steps 10000] [--maps FOLDER]

Each seed explores once; smaller sets are the beginnings of the largest. Cells are those of `mooring.report.maps`.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from mooring.algorithms.online.rnd import RND
from mooring.data.collecting import Plan, Task, learn, roll_out, uniform_policy
from mooring.report.maps import coverage, visit_map
from mooring.report.plots import save

SIZES = (1_000, 5_000, 10_000, 20_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mazes", nargs="+", default=["medium", "hard"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=max(SIZES))
    parser.add_argument("--maps", type=Path, help="folder for pictures of the first seed's largest sets")
    given = parser.parse_args()
    sizes = [size for size in SIZES if size <= given.steps]
    print(f"{'maze':8}{'seed':>5}{'policy':>8}" + "".join(f"{size:>8,}" for size in sizes) + "    cells")
    for maze in given.mazes:
        task = Task.of(f"mooring/Pointmass-{maze}-v0")
        for seed in range(given.seeds):
            random = [roll_out(uniform_policy(task), task, size, f"{maze}-random", seed=seed) for size in sizes]
            explored = explore(task, sizes, seed)
            for name, sets in (("random", random), ("rnd", explored)):
                visited = [coverage(data) for data in sets]
                figures = "".join(f"{cells:8}" for cells, _ in visited)
                print(f"{maze:8}{seed:5}{name:>8}{figures}{visited[0][1]:9}", flush=True)
                if given.maps and seed == 0:
                    save(visit_map(sets[-1]), given.maps / f"{maze}-{name}")


def explore(task: Task, sizes: list[int], seed: int) -> list:
    plan = Plan(RND(), sizes[-1], warm_up=500, envs=10, seed=seed, evaluate_every=sizes[-1], episodes=1)
    with TemporaryDirectory() as folder:
        life = learn(plan, task, Path(folder))
        return [life.lived(size, f"{task.env.split('-')[1]}-rnd") for size in sizes]


if __name__ == "__main__":
    main()
