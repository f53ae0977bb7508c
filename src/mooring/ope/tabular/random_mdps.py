"""Random Markov decision processes of which everything is known: to tell how far an estimate is from the truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from mooring.data.dataset import Dataset
from mooring.data.spaces import Discrete
from mooring.ope.logs import Logs
from mooring.ope.tabular.model import TabularLogs

TabularPolicy = Float[np.ndarray, "S A"]


@dataclass(frozen=True, eq=False)
class TabularMDP:
    """S states and A actions; an episode ends after `horizon` steps, or before them where the process terminates.

    `transition[s, a]` are the probabilities of the next states, and sum to 1 less the probability of terminating.
    `reward` is that of a state, an action and the next state (the last entry: termination), to which each step adds
    normal noise of standard deviation `noise`.
    """

    start: Float[np.ndarray, " S"]
    transition: Float[np.ndarray, "S A S"]
    reward: Float[np.ndarray, "S A S+1"]
    horizon: int
    discount: float
    noise: float = 0.0

    @classmethod
    def random(
        cls,
        rng: np.random.Generator,
        states: int = 20,
        actions: int = 4,
        horizon: int = 25,
        discount: float = 0.95,
        branches: int = 5,
        ends: float = 0.0,
    ) -> TabularMDP:
        """Each pair leads to a few states at random (Garnet; Archibald, McKinnon & Thomas 1995), with normal rewards.

        A pair's mean reward is a unit normal draw, to which each next state adds one of a tenth the size. `ends` is
        the largest probability of terminating, uniform over pairs.
        """
        transition = np.zeros((states, actions, states))
        for s, a in np.ndindex(states, actions):
            nexts = rng.choice(states, min(branches, states), replace=False)
            transition[s, a, nexts] = rng.dirichlet(np.ones(len(nexts))) * (1 - rng.uniform(0, ends))
        reward = rng.normal(size=(states, actions, 1)) + 0.1 * rng.normal(size=(states, actions, states + 1))
        return cls(rng.dirichlet(np.ones(states)), transition, reward, horizon, discount)

    @property
    def complete(self) -> Float[np.ndarray, "S A S+1"]:
        """The probabilities of the next states, and of termination as one more."""
        ends = np.maximum(1 - self.transition.sum(2, keepdims=True), 0)
        return np.concatenate([self.transition, ends], axis=2)

    def action_values(self, policy: TabularPolicy) -> Float[np.ndarray, "H S A"]:
        """Q of each timestep, by backward recursion."""
        q = np.zeros((self.horizon, *policy.shape))
        v = np.zeros(len(policy))
        expected = (self.complete * self.reward).sum(2)
        for step in reversed(range(self.horizon)):
            q[step] = expected + self.discount * self.transition @ v
            v = (policy * q[step]).sum(1)
        return q

    def value(self, policy: TabularPolicy) -> float:
        """The expected discounted return."""
        return float(self.start @ (policy * self.action_values(policy)[0]).sum(1))

    def best(self) -> Float[np.ndarray, "S A"]:
        """The optimal Q of the first timestep: greedy in it is good, if not quite the best near the horizon."""
        q = np.zeros(self.reward.shape[:2])
        expected = (self.complete * self.reward).sum(2)
        for _ in range(self.horizon):
            q = expected + self.discount * self.transition @ q.max(1)
        return q

    def simulate(self, policy: TabularPolicy, episodes: int, rng: np.random.Generator) -> Dataset:
        """Logged episodes, with the log probability of each action in the column "action_log_prob"."""
        states, actions = policy.shape
        onward = self.complete.reshape(states * actions, states + 1)
        state = _drawn(np.broadcast_to(self.start, (episodes, states)), rng)
        alive, columns = np.ones(episodes, bool), []
        for _ in range(self.horizon):
            action = _drawn(policy[state], rng)
            after = _drawn(onward[state * actions + action], rng)
            reward = self.reward[state, action, after] + self.noise * rng.normal(size=episodes)
            ended = after == states
            columns.append((state, action, reward, ended, np.where(ended, state, after), alive))
            alive, state = alive & ~ended, columns[-1][4]
        return self._logged(policy, *(np.stack(column, axis=1) for column in zip(*columns, strict=True)))

    def _logged(
        self,
        policy: TabularPolicy,
        state: np.ndarray,
        action: np.ndarray,
        reward: np.ndarray,
        ended: np.ndarray,
        next_state: np.ndarray,
        alive: np.ndarray,
    ) -> Dataset:
        limit = np.zeros_like(ended)
        limit[:, -1] = ~ended[:, -1]
        return Dataset.build(
            obs=state[alive].astype(np.int32),
            action=action[alive].astype(np.int32),
            reward=reward[alive],
            terminated=ended[alive],
            truncated=limit[alive],
            next_obs=next_state[alive].astype(np.int32),
            extra={"action_log_prob": np.log(policy[state, action])[alive]},
            obs_space=Discrete(policy.shape[0]),
            action_space=Discrete(policy.shape[1]),
            horizon=self.horizon,
            name="random MDP",
        )

    def logs(self, data: Dataset, target: TabularPolicy) -> TabularLogs:
        """Logs of this process, seen by a target policy: it may be judged from them by any estimator.

        Its log probabilities are rounded to float32, as the logged ones are: ratios of one policy to itself are 1.
        """
        assert isinstance(data.obs, np.ndarray)
        assert isinstance(data.next_obs, np.ndarray)
        with np.errstate(divide="ignore"):
            log_target = np.log(target[data.obs, data.action]).astype(np.float32).astype(np.float64)
        logs = Logs.of(data, self.discount, data.extra["action_log_prob"].astype(np.float64), log_target)
        return TabularLogs.of(logs, data.obs, data.action, data.next_obs, target, self.horizon)


def random_policy(rng: np.random.Generator, states: int, actions: int, concentration: float = 1.0) -> TabularPolicy:
    """Dirichlet probabilities in every state: near uniform where the concentration is large."""
    return rng.dirichlet(np.full(actions, concentration), size=states)


def softmax_policy(q: Float[np.ndarray, "S A"], temperature: float) -> TabularPolicy:
    """Good actions are likelier."""
    scaled = np.exp((q - q.max(1, keepdims=True)) / temperature)
    return scaled / scaled.sum(1, keepdims=True)


def mixture(first: TabularPolicy, second: TabularPolicy, share: float) -> TabularPolicy:
    """The second policy's actions with a probability of `share`, else the first's."""
    return (1 - share) * first + share * second


def _drawn(probabilities: Float[np.ndarray, "E K"], rng: np.random.Generator) -> Int[np.ndarray, " E"]:
    """One index per row, by its probabilities."""
    upto = np.cumsum(probabilities, axis=1)
    return (rng.random((len(upto), 1)) * upto[:, -1:] >= upto).sum(1)
