"""What a policy does in the logged observations: probabilities, its own actions, greedily or by its own draws."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from mooring.data.columns import take
from mooring.data.dataset import Dataset
from mooring.data.spaces import Discrete
from mooring.environments.fitting import form
from mooring.errors import BadInput
from mooring.evaluation.rollouts import spec_of
from mooring.types import Policy, PRNGKey

ROWS = 4096  # at a time
ROUNDING = 1e-3  # of sums of probabilities in float32


class Greedy(Policy):
    """A policy's greedy actions, whatever the key: what `mooring.evaluate` plays, and what is mostly deployed."""

    policy: Policy

    def begin(self) -> PyTree:
        return self.policy.begin()

    def act(self, memory: PyTree, obs: PyTree, key: PRNGKey | None) -> tuple[Array, PyTree]:
        return self.policy.act(memory, obs, None)

    def observe(self, memory: PyTree, reward: Float[Array, ""]) -> PyTree:
        return self.policy.observe(memory, reward)

    def log_prob(self, memory: PyTree, obs: PyTree, action: Array) -> Float[Array, ""] | None:
        """0 or -inf of a discrete action; None of a continuous one, which has no density."""
        if not jnp.issubdtype(action.dtype, jnp.integer):
            return None
        return jnp.where(self.policy.act(memory, obs, None)[0] == action, 0.0, -jnp.inf)


def log_probs(policy: Policy, data: Dataset) -> Float[np.ndarray, " N"] | None:
    """The log probability (density) of each logged action under the policy, in float64.

    None where it has none. Raises BadInput where the policy carries a memory: what it would remember after actions
    that are not its own is not defined. So it does where it is for other observations or actions than the data's.
    """
    check_memoryless(policy)
    check_fits(policy, data)
    told = lambda obs, action: policy.log_prob((), obs, action)
    if jax.eval_shape(told, *_first(data)) is None:
        return None
    if isinstance(data.action_space, Discrete):
        probabilities(policy, data, take(data.obs, np.arange(min(len(data), ROWS))))  # refuses other choices
    return _of_rows(told, data.obs, data.action)


def probabilities(policy: Policy, data: Dataset, obs: Any = None) -> Float[np.ndarray, "N A"]:
    """The probability of every choice in each logged observation (or in `obs`), each row over its own sum.

    Raises BadInput where actions are continuous, the policy does not know its probabilities, or where those of the
    data's choices do not sum to 1: then it is a policy over other ones.
    """
    check_memoryless(policy)
    check_fits(policy, data)
    if not isinstance(data.action_space, Discrete):
        raise BadInput(data.name, "actions are continuous", "choices")
    choices = jnp.arange(data.action_space.n, dtype=jnp.int32)
    told = lambda obs: jax.vmap(lambda action: policy.log_prob((), obs, action))(choices)
    if jax.eval_shape(lambda obs: policy.log_prob((), obs, choices[0]), _first(data)[0]) is None:
        found = f"{type(policy).__name__} does not tell the probabilities of its draws"
        raise BadInput("target policy", found, fix="judge its greedy actions")
    known = np.exp(_of_rows(told, data.obs if obs is None else obs))
    total = known.sum(1)
    if not (np.abs(total - 1) < ROUNDING).all():
        worst = int(np.argmax(~(np.abs(total - 1) < ROUNDING)))
        found = f"the probabilities of its {data.action_space.n} choices sum to {total[worst]:.3g} in row {worst}"
        raise BadInput("target policy", found, "1", "a policy over the data's own actions")
    return known / total[:, None]


def actions(policy: Policy, obs: Any, key: PRNGKey) -> np.ndarray:
    """One action of a policy without memory for each of N observations."""
    rows = len(jax.tree.leaves(obs)[0])
    act = lambda obs, row: policy.act((), obs, jax.random.fold_in(key, row))[0]
    return _of_rows(act, obs, np.arange(rows, dtype=np.int32), exact=False)


@eqx.filter_jit
def log_probs_of(policy: Policy, obs: Any, action: Any) -> Float[Array, " N"] | None:
    """As `log_probs`, in float32, of N observations and an action for each; the compiled program is kept."""
    if jax.eval_shape(lambda: policy.log_prob((), *jax.tree.map(lambda column: column[0], (obs, action)))) is None:
        return None
    return jax.lax.map(lambda row: policy.log_prob((), *row), (obs, action), batch_size=ROWS)


def check_memoryless(policy: Policy) -> None:
    """Refuses a policy that remembers: what it would remember after actions that are not its own is not defined."""
    if jax.tree.leaves(policy.begin()):
        found = f"{type(policy).__name__} carries a memory from step to step"
        raise BadInput("target policy", found, "one that acts by the observation alone", "judge it in a simulator")


def check_fits(policy: Policy, data: Dataset) -> None:
    """Refuses a policy that was made for other observations or actions, where it says what it was made for."""
    made, seen = spec_of(policy), data.spec()
    if made is None:
        return
    pairs = {
        "observations": (form(made.obs), form(seen.obs)),
        "actions": (form(made.action, bounds=True), form(seen.action, bounds=True)),
    }
    for what, (found, expected) in pairs.items():
        if found != expected:
            raise BadInput("target policy", f"its {what} are {found}", f"as in {data.name}: {expected}")


def _first(data: Dataset) -> tuple[Any, Any]:
    first: tuple[Any, Any] = jax.tree.map(lambda column: column[0], (data.obs, data.action))
    return first


def _of_rows(told: Callable[..., Array | None], *columns: Any, exact: bool = True) -> np.ndarray:
    """`told` of each row, many at a time; in float64 where `exact`."""
    many = eqx.filter_jit(jax.vmap(told))
    parts = [np.asarray(many(*part)) for part in _parts(columns)]
    joined = np.concatenate(parts)
    return joined.astype(np.float64) if exact else joined


def _parts(columns: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    rows = len(jax.tree.leaves(columns)[0])
    for start in range(0, rows, ROWS):
        picked = np.arange(start, min(start + ROWS, rows))
        yield tuple(take(column, picked) for column in columns)
