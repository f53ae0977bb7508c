"""Critics of the logged observations and actions, and what a critic expects of the target policy's action."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Unpack

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from mooring.networks.critics import Critic, DiscreteCritic
from mooring.networks.mlp import Form
from mooring.normalizer import Normalizer
from mooring.ope.targets import Greedy
from mooring.types import Discrete, Policy, PRNGKey

ROWS = 16_384  # looked at in one go
DRAWS = 8  # of the policy's action for each observation, where what it expects is a mean over draws


def critic_of(
    key: PRNGKey, normalizer: Normalizer, hidden: tuple[int, ...], **form: Unpack[Form]
) -> Critic | DiscreteCritic:
    """A fresh critic for the actions at hand."""
    kind = DiscreteCritic if isinstance(normalizer.spec.action, Discrete) else Critic
    return kind.of(key, normalizer.features, normalizer.actions, hidden, **form)


def expected(critic: Any, policy: Policy, normalizer: Normalizer, obs: PyTree, key: PRNGKey) -> Float[Array, "B ..."]:
    """E[critic(s, a)], a ~ policy, for B raw observations.

    Exact where actions are discrete and the policy tells their probabilities; else of one draw for each observation.
    `critic` has `all`, one output (or one vector of them) per action, where actions are discrete.
    """

    def one(obs: PyTree, key: PRNGKey) -> Float[Array, "..."]:
        features = normalizer.obs(obs)
        if tells_choices(policy, normalizer, obs):
            choices = jnp.arange(normalizer.actions)
            log_prob: Any = jax.vmap(lambda action: policy.log_prob((), obs, action))(choices)
            return jax.nn.softmax(log_prob) @ critic.all(features)
        return critic(features, normalizer.to_unit(policy.act((), obs, key)[0]))

    rows = jax.tree.leaves(obs)[0].shape[0]
    return jax.vmap(one)(obs, jax.random.split(key, rows))


def averaged(critic: Any, policy: Policy, normalizer: Normalizer, obs: PyTree, key: PRNGKey) -> Float[Array, "B ..."]:
    """`expected`, over several draws where one would leave it to chance."""
    alone = isinstance(policy, Greedy) or tells_choices(policy, normalizer, jax.tree.map(lambda column: column[0], obs))
    keys = jax.random.split(key, 1 if alone else DRAWS)
    return jnp.mean(jax.lax.map(lambda k: expected(critic, policy, normalizer, obs, k), keys), axis=0)


def tells_choices(policy: Policy, normalizer: Normalizer, obs: PyTree) -> bool:
    """Whether actions are discrete and the policy tells the probability of each in one observation."""
    if not isinstance(normalizer.spec.action, Discrete):
        return False
    return jax.eval_shape(lambda: policy.log_prob((), obs, jnp.zeros((), jnp.int32))) is not None


def in_parts(look: Callable[..., Array], columns: tuple[Any, ...], key: PRNGKey) -> Float[np.ndarray, "M N *rest"]:
    """What `look(*columns, key)` tells of N rows as (M, N, ...), many rows at a time; in float64."""
    rows = len(jax.tree.leaves(columns)[0])
    starts = range(0, rows, ROWS)
    parts = [jax.tree.map(lambda column: column[start : start + ROWS], columns) for start in starts]  # noqa: B023
    keys = jax.random.split(key, len(parts))
    looked = [np.asarray(look(*part, own), np.float64) for part, own in zip(parts, keys, strict=True)]
    return np.concatenate(looked, axis=1)
