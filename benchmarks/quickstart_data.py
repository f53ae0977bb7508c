"""Makes a data set like the one that the quickstart trains on: the first and the last episodes of SAC on HalfCheetah.

    python benchmarks/quickstart_data.py --out quickstart.npz

SAC begins with 5 episodes of uniformly random actions, then makes one update for each of 75,000 steps. The first
episodes go nowhere, the last run: a log of good and bad behavior, as many are. Between them lie episodes that would
make cloning all of it nearly as good as the best. The one that Mooring ships was made by SAC-N with two critics.
"""

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from mooring.algorithms.online.sac import SAC
from mooring.data import Dataset
from mooring.data.collecting import Plan, Task, learn

ENV = "HalfCheetah-v5"


def save(data: Dataset, path: Path) -> None:
    """Without next_obs, which the reader takes from the row after: that halves the file, and costs each last row."""
    columns = {name: column for name, column in data.columns().items() if name != "next_obs"}
    meta = {"env": ENV, "horizon": data.horizon}
    np.savez_compressed(path, **columns, meta=np.array(json.dumps(meta)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=75_000, help="steps and updates of SAC after the random ones")
    parser.add_argument("--random", type=int, default=5_000, help="random steps before them")
    parser.add_argument("--keep", type=int, default=18, help="episodes from the beginning, and as many from the end")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()

    plan = Plan(SAC(), given.random + given.steps, given.random, seed=given.seed)
    with TemporaryDirectory() as folder:
        lived = learn(plan, Task.of(ENV), Path(folder), progress=True).lived(plan.steps, "quickstart")
    episodes = np.arange(lived.num_episodes)
    kept = lived.select(np.unique(np.concatenate([episodes[: given.keep], episodes[-given.keep :]])))
    save(kept, given.out)
    print(f"{len(episodes)} episodes, of which {kept.num_episodes} are kept; their returns: {np.round(kept.returns)}")


if __name__ == "__main__":
    main()
