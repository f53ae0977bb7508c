"""A tiny environment that tests act in: each observation tells the episode's seed and the step within it."""

import gymnasium
import numpy as np

LIMIT = 4


class Counter(gymnasium.Env):
    """Action 1 terminates; after four steps an episode is truncated. A step's reward is its number."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.label, self.steps = self.np_random.random(), 0
        return self._obs(), {}

    def step(self, action):
        self.steps += 1
        return self._obs(), float(self.steps), int(action) == 1, self.steps == LIMIT, {}

    def _obs(self):
        return np.array([self.label, self.steps], np.float32)


class Unrepeatable(Counter):
    """No seed brings an episode back."""

    def reset(self, *, seed=None, options=None):
        return super().reset(seed=None)


make, make_unrepeatable = Counter, Unrepeatable
