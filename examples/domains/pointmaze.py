"""PointMaze: a ball is pushed to a goal that each episode draws anew; observations are a dict that holds it.

    pip install gymnasium-robotics mujoco; python examples/domains/pointmaze.py

A policy sees where it is, how fast, and where to go. The log is a random walk, which comes upon few goals: it shows the
way from data to evaluation, and does not solve the maze. AntMaze goes the same (gymnasium_robotics:AntMaze_UMaze-v5).
"""

import mooring
from mooring.algorithms.value_regularization.iql import IQL
from mooring.data import Dataset
from mooring.data.collecting import Task, roll_out, uniform_policy
from mooring.evaluation import Evaluation

ENV = "gymnasium_robotics:PointMaze_UMaze-v3"


def main(env: str = ENV, steps: int = 20_000, updates: int = 2_000, episodes: int = 10) -> tuple[Dataset, Evaluation]:
    task = Task.of(env)
    data = roll_out(uniform_policy(task), task, steps, "maze-random", envs=4)
    print(f"{data}: audit {mooring.audit(data).verdict}, mean return {data.returns.mean():.1f}")
    trained = mooring.train(IQL(), data, updates, progress=True)
    found = mooring.evaluate(trained.policies, env, episodes=episodes)
    print(f"IQL: mean return {found.returns.mean():.1f} of {episodes} episodes")
    return data, found


if __name__ == "__main__":
    main()
