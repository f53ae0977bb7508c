"""Remakes the data set that the quickstart trains on: the first and the last episodes of a SAC run on HalfCheetah.

    python benchmarks/quickstart_data.py --out src/mooring/data/quickstart.npz

SAC (here: SAC-N with two critics) begins with 5 episodes of uniformly random actions, then makes one update for each
of 75,000 steps, about 12 minutes on two cores. The first 18 episodes go nowhere, the last 18 run: a log of good and bad
behavior, as many are. Between them lie episodes that would make cloning all of it nearly as good as the best.
"""

import argparse
import json
from pathlib import Path

import numpy as np

import mooring
from mooring.algorithms.uncertainty.sac_n import SACN
from mooring.data import Dataset, Episode
from mooring.data.spaces import Bounds
from mooring.environments.making import make
from mooring.hooks.collect import Collect
from mooring.sources import Replay

ENV = "HalfCheetah-v5"


def random_episodes(episodes: int, seed: int) -> list[Episode]:
    """Episodes of uniformly random actions."""
    env = make(ENV)
    env.action_space.seed(seed)
    played = []
    for episode in range(episodes):
        obs, actions, rewards, over = [env.reset(seed=seed + episode)[0]], [], [], False
        while not over:
            actions.append(env.action_space.sample())
            after, reward, terminated, truncated, _ = env.step(actions[-1])
            obs.append(after)
            rewards.append(reward)
            over = terminated or truncated
        played.append(Episode(np.stack(obs), np.stack(actions), np.array(rewards), terminated))
    env.close()
    return played


def dataset(episodes: list[Episode]) -> Dataset:
    return Dataset.from_episodes(episodes, name="quickstart", env=ENV, action_space=Bounds.of(-1, 1, 6), horizon=1000)


def save(data: Dataset, path: Path) -> None:
    """Without next_obs, which the reader takes from the row after: that halves the file, and costs each last row."""
    columns = {name: column for name, column in data.columns().items() if name != "next_obs"}
    meta = {"env": ENV, "horizon": data.horizon}
    np.savez_compressed(path, **columns, meta=np.array(json.dumps(meta)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=75_000, help="steps and updates of SAC after the random ones")
    parser.add_argument("--keep", type=int, default=18, help="episodes from the beginning, and as many from the end")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()

    first = random_episodes(5, given.seed)
    algorithm = SACN(critics=2, hidden=(256, 256))
    collect = Collect(ENV, every=50, steps=50, seed=given.seed)
    replay = Replay.of(dataset(first), capacity=given.steps + 10_000)
    mooring.train(
        algorithm, dataset(first), given.steps, seeds=[given.seed], source=replay, hooks=[collect], progress=True
    )
    lived = first + collect.players[0].ended
    collect.close()
    kept = dataset(lived[: given.keep] + lived[-given.keep :])
    save(kept, given.out)
    print(f"{len(lived)} episodes, of which {kept.num_episodes} are kept; their returns: {np.round(kept.returns)}")


if __name__ == "__main__":
    main()
