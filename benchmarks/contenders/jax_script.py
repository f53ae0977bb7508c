"""JAX as the fastest public scripts write it: a jitted function that is called from a Python loop.

Form "one" makes one update a call, form "eight" scans eight. Networks are Flax's in those scripts; here they are plain
lists of weights and biases, which cost no less. Each critic is a network of its own, rows lie on the device, the key
is split once a call.
"""

from functools import partial
from importlib.metadata import version
from itertools import pairwise
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from contenders import work as shapes
from contenders.protocol import Advance, serve
from contenders.work import ACTIONS, OBS, Work

Layers = list[tuple[jax.Array, jax.Array]]


class Net(NamedTuple):
    """Weights and the optimizer's state."""

    layers: Any
    state: Any


def prepare(work: Work, form: str) -> Advance:
    method = {"td3-bc": TD3BC, "iql": IQL}[work.method](work)
    each = {"one": 1, "eight": 8}[form]
    rows = shapes.rows(discrete=False)
    obs = shapes.standardized(rows["obs"]) if work.method in shapes.STANDARDIZED else rows["obs"]
    columns = [jnp.asarray(column) for column in (obs, rows["action"], rows["reward"], obs)]

    @partial(jax.jit, donate_argnums=0)
    def updates(nets: Any, key: jax.Array, step: jax.Array) -> Any:
        def once(nets: Any, inputs: Any) -> tuple[Any, None]:
            key, step = inputs
            index_key, update_key = jax.random.split(key)
            index = jax.random.randint(index_key, (work.batch_size,), 0, shapes.ROWS)
            return method.update(nets, [column[index] for column in columns], update_key, step), None

        return jax.lax.scan(once, nets, (jax.random.split(key, each), step + jnp.arange(each)))[0]

    key, made = jax.random.key(0), 0
    nets = jax.tree.map(jnp.array, method.nets(key))

    def advance(count: int) -> int:
        nonlocal nets, key, made
        calls = -(-count // each)
        for _ in range(calls):
            key, update_key = jax.random.split(key)
            nets = updates(nets, update_key, made)
            made += each
        jax.block_until_ready(nets)
        return calls * each

    return advance


def layers(key: jax.Array, inputs: int, hidden: tuple[int, ...], outputs: int) -> Layers:
    sizes = list(pairwise((inputs, *hidden, outputs)))
    keys = jax.random.split(key, len(sizes))
    draw = lambda k, i, o: jax.random.uniform(k, (i, o), minval=-(i**-0.5), maxval=i**-0.5)
    return [(draw(k, i, o), jnp.zeros(o)) for k, (i, o) in zip(keys, sizes, strict=True)]


def perceptron(layers: Layers, x: jax.Array) -> jax.Array:
    for weight, bias in layers[:-1]:
        x = jax.nn.relu(x @ weight + bias)
    weight, bias = layers[-1]
    return x @ weight + bias


def q_values(critics: list[Layers], obs: jax.Array, action: jax.Array) -> list[jax.Array]:
    return [perceptron(critic, jnp.concatenate([obs, action], axis=1))[:, 0] for critic in critics]


def descend(net: Net, loss: Any, optimizer: optax.GradientTransformation) -> Net:
    change, state = optimizer.update(jax.grad(loss)(net.layers), net.state)
    return Net(optax.apply_updates(net.layers, change), state)


def track(target: Any, model: Any, rate: float) -> Any:
    return jax.tree.map(lambda slow, fast: (1 - rate) * slow + rate * fast, target, model)


class TD3BC:
    """TD3+BC: arXiv 2106.06860."""

    def __init__(self, work: Work) -> None:
        self.work, self.rate = work, optax.adam(work.learning_rate)

    def nets(self, key: jax.Array) -> dict[str, Any]:
        actor_key, *keys = jax.random.split(key, 3)
        actor = layers(actor_key, OBS, self.work.hidden, ACTIONS)
        critics = [layers(k, OBS + ACTIONS, self.work.hidden, 1) for k in keys]
        learning = {"actor": Net(actor, self.rate.init(actor)), "critics": Net(critics, self.rate.init(critics))}
        return learning | {"target_actor": actor, "target_critics": critics}

    def update(self, nets: dict[str, Any], batch: list[jax.Array], key: jax.Array, step: jax.Array) -> dict[str, Any]:
        work, (obs, action, reward, next_obs) = self.work, batch
        drawn = jnp.clip(work.target_noise * jax.random.normal(key, action.shape), -work.noise_clip, work.noise_clip)
        next_action = jnp.clip(jnp.tanh(perceptron(nets["target_actor"], next_obs)) + drawn, -1, 1)
        target = reward + work.discount * jnp.minimum(*q_values(nets["target_critics"], next_obs, next_action))
        bellman = lambda critics: sum(jnp.mean((q - target) ** 2) for q in q_values(critics, obs, action))
        nets = {**nets, "critics": descend(nets["critics"], bellman, self.rate)}
        improve = partial(self.improved, obs=obs, action=action)
        return jax.lax.cond(step % work.actor_delay == 0, improve, lambda nets: nets, nets)

    def improved(self, nets: dict[str, Any], obs: jax.Array, action: jax.Array) -> dict[str, Any]:
        work, critics = self.work, nets["critics"].layers

        def loss(actor: Layers) -> jax.Array:
            own = jnp.tanh(perceptron(actor, obs))
            q = q_values(critics[:1], obs, own)[0]
            scale = work.alpha / jax.lax.stop_gradient(jnp.mean(jnp.abs(q)))
            return -scale * jnp.mean(q) + jnp.mean((own - action) ** 2)

        actor = descend(nets["actor"], loss, self.rate)
        target_actor = track(nets["target_actor"], actor.layers, work.target_rate)
        target_critics = track(nets["target_critics"], critics, work.target_rate)
        return {**nets, "actor": actor, "target_actor": target_actor, "target_critics": target_critics}


class IQL:
    """Implicit Q-learning: arXiv 2110.06169."""

    def __init__(self, work: Work) -> None:
        self.work, self.rate = work, optax.adam(work.learning_rate)
        self.actor_rate = optax.adam(optax.cosine_decay_schedule(work.learning_rate, work.decay_steps))

    def nets(self, key: jax.Array) -> dict[str, Any]:
        actor_key, value_key, *keys = jax.random.split(key, 4)
        actor = layers(actor_key, OBS, self.work.hidden, ACTIONS), jnp.zeros(ACTIONS)
        value = layers(value_key, OBS, self.work.hidden, 1)
        critics = [layers(k, OBS + ACTIONS, self.work.hidden, 1) for k in keys]
        learning = {"value": Net(value, self.rate.init(value)), "critics": Net(critics, self.rate.init(critics))}
        return learning | {"actor": Net(actor, self.actor_rate.init(actor)), "target": critics}

    def update(self, nets: dict[str, Any], batch: list[jax.Array], key: jax.Array, step: jax.Array) -> dict[str, Any]:
        work, (obs, action, reward, next_obs) = self.work, batch
        target_q = jnp.minimum(*q_values(nets["target"], obs, action))

        def value_loss(value: Layers) -> jax.Array:
            error = target_q - perceptron(value, obs)[:, 0]
            return jnp.mean(jnp.where(error > 0, work.expectile, 1 - work.expectile) * error**2)

        value = descend(nets["value"], value_loss, self.rate)
        advantage = target_q - perceptron(value.layers, obs)[:, 0]
        weight = jnp.minimum(jnp.exp(work.temperature * advantage), work.advantage_clip)

        def actor_loss(actor: Any) -> jax.Array:
            net, log_std = actor[0], jnp.clip(actor[1], -5, 2)
            distance = (action - jnp.tanh(perceptron(net, obs))) / jnp.exp(log_std)
            return jnp.mean(weight * jnp.sum(0.5 * distance**2 + log_std, axis=1))

        target = reward + work.discount * perceptron(value.layers, next_obs)[:, 0]
        bellman = lambda critics: sum(jnp.mean((q - target) ** 2) for q in q_values(critics, obs, action))
        critics = descend(nets["critics"], bellman, self.rate)
        return {
            "value": value,
            "actor": descend(nets["actor"], actor_loss, self.actor_rate),
            "critics": critics,
            "target": track(nets["target"], critics.layers, work.target_rate),
        }


def about() -> dict[str, str]:
    return {name: version(name) for name in ("jax", "optax")}


if __name__ == "__main__":
    serve(prepare, about)
