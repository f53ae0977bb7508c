"""Checks that any algorithm or source must pass, and a problem small enough that its best policy is known.

Call `check_algorithm(MyAlgorithm())` from a test of your own: it returns when all is well, and else raises an
AssertionError that names what broke. `check_learning` trains on the small problem and compares with cloning.
`check_estimator` does the same for off-policy estimates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from mooring.algorithms.imitation.bc import BC
from mooring.checkpoint import load_tree, save_tree
from mooring.data.dataset import Dataset
from mooring.data.episodes import Episode
from mooring.data.spaces import Bounds
from mooring.environments.mazes import MOVES
from mooring.loop import Run, advance, keys_of, member, policies, results, stack, start
from mooring.testing_estimators import Known as Known
from mooring.testing_estimators import check_estimator as check_estimator
from mooring.types import ActionKind, Algorithm, Box, Discrete, Policy, PRNGKey, Source, Spec, Step, static

UPDATES = 8  # of each check: enough for delayed updates to happen several times
GARBAGE = 1e6  # in place of an observation that nothing may depend on; NaN would be unfair, since 0 * NaN is NaN

# The small problem: a point in [-1, 1]^2 that should go to the origin, by at most REACH along each axis at a step.
REACH = 0.25
RADIUS = 0.1  # the episode terminates where both coordinates are this near to the origin
HORIZON = 10  # steps, after which an episode is truncated
GOOD, AWAY = 0.4, 0.4  # shares of episodes that go to the origin, and away from it; the others wander
NOISE = 0.3  # standard deviation of the good and the bad episodes' actions; in discrete ones, share of random moves


@contextmanager
def quick_compilation() -> Iterator[None]:
    """Compiles without most optimizations: what runs a few thousand small steps spends its time in compiling."""
    option = "jax_disable_most_optimizations"
    before = jax.config.read(option)  # type: ignore[no-untyped-call]
    jax.config.update(option, True)  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        jax.config.update(option, before)  # type: ignore[no-untyped-call]


class Walker(Policy):
    """Knows the small problem: goes to the origin as fast as can be (sign 1) or away from it (-1), or wanders (0)."""

    sign: Float[Array, ""]
    noise: Float[Array, ""]
    actions: ActionKind = static()

    def act(self, memory: PyTree, obs: Float[Array, "2"], key: PRNGKey | None) -> tuple[Array, PyTree]:
        if self.actions == "continuous":
            action = self.sign * jnp.clip(-obs / REACH, -1, 1)
            if key is not None:
                spread = jnp.where(self.sign == 0, 1.0, self.noise)
                action = action + spread * jax.random.normal(key, (2,))
            return jnp.clip(action, -1, 1), memory
        axis = jnp.argmax(jnp.abs(obs))
        move = jnp.zeros(2).at[axis].set(-self.sign * jnp.sign(obs[axis]))
        action = jnp.argmin(jnp.sum(jnp.abs(jnp.asarray(MOVES) - move[None]), axis=1))
        if key is not None:
            wander_key, move_key = jax.random.split(key)
            wander = jax.random.bernoulli(wander_key, jnp.where(self.sign == 0, 1.0, self.noise))
            action = jnp.where(wander, jax.random.randint(move_key, (), 0, len(MOVES)), action)
        return action, memory


def walk(policy: Policy, state: Float[Array, "2"], key: PRNGKey | None) -> tuple[Array, Array, Array, Array]:
    """One episode from a state: observations (T+1, 2), actions, rewards (T,), and whether it had terminated (T,).

    The reward of a step is minus the mean of the new coordinates' sizes. What follows the termination means nothing,
    but that the rewards there are 0. Without a key the policy is greedy.
    """

    def step(carry: tuple[Array, PyTree, Array], index: Array) -> tuple[PyTree, PyTree]:
        state, memory, ended = carry
        action, memory = policy.act(memory, state, None if key is None else jax.random.fold_in(key, index))
        move = jnp.asarray(MOVES)[action] if jnp.issubdtype(action.dtype, jnp.integer) else action
        state = jnp.clip(state + REACH * move, -1, 1)
        reward = jnp.where(ended, 0.0, -jnp.mean(jnp.abs(state)))
        ended = ended | (jnp.max(jnp.abs(state)) < RADIUS)
        return (state, policy.observe(memory, reward), ended), (state, action, reward, ended)

    carry = state, policy.begin(), jnp.asarray(False)
    after, action, reward, ended = jax.lax.scan(step, carry, jnp.arange(HORIZON))[1]
    return jnp.concatenate([state[None], after]), action, reward, ended


@cache
def small_data(actions: ActionKind, episodes: int = 400) -> Dataset:
    """Episodes of the small problem by good, bad and wandering walkers: cloning them is far from the best policy."""
    start_key, sign_key, walk_key = jax.random.split(jax.random.key(0), 3)
    states = jax.random.uniform(start_key, (episodes, 2), minval=-1, maxval=1)
    if actions == "discrete":
        states = REACH * jnp.round(states / REACH)
    draw = jax.random.uniform(sign_key, (episodes,))
    signs = jnp.where(draw < GOOD, 1.0, jnp.where(draw < GOOD + AWAY, -1.0, 0.0))
    one = lambda state, sign, key: walk(Walker(sign, jnp.asarray(NOISE), actions), state, key)
    with quick_compilation():
        columns = jax.jit(jax.vmap(one))(states, signs, jax.random.split(walk_key, episodes))
    logged = []
    for obs, action, reward, ended in zip(*(np.asarray(column) for column in columns), strict=True):
        steps = int(np.argmax(ended)) + 1 if ended.any() else HORIZON
        logged.append(Episode(obs[: steps + 1], action[:steps], reward[:steps], bool(ended.any())))
    sides = Bounds(-np.ones(2, np.float32), np.ones(2, np.float32))
    space = sides if actions == "continuous" else Discrete(len(MOVES))
    return Dataset.from_episodes(logged, name=f"small-{actions}", obs_space=sides, action_space=space, horizon=HORIZON)


@jax.jit
def policy_value(policy: Policy) -> Float[Array, ""]:
    """The greedy policy's exact mean return on the small problem, over episodes from a grid of 9 x 9 states."""
    side = jnp.linspace(-1, 1, 9)
    states = jnp.stack(jnp.meshgrid(side, side), axis=-1).reshape(-1, 2)
    return jnp.mean(jax.vmap(lambda state: jnp.sum(walk(policy, state, None)[2]))(states))


def best_value(actions: ActionKind) -> float:
    """The best policy's `policy_value`. No policy is nearer to the origin at any step, so none has a larger return."""
    return float(policy_value(Walker(jnp.ones(()), jnp.zeros(()), actions)))


def learned_values(algorithm: Algorithm, actions: ActionKind, updates: int, seeds: int = 3) -> np.ndarray:
    """`policy_value` of each of several seeds after training on the small problem, stages first."""
    with quick_compilation():
        members = with_stages([algorithm] * seeds, small_data(actions), updates)
        cuts = [min(500, updates - done) for done in range(0, updates, 500)]
        run, _ = _train(members, small_data(actions), range(seeds), cuts)
        return np.asarray(jax.vmap(policy_value)(policies(stack(members), run.agent)))


@cache
def cloned_value(actions: ActionKind) -> float:
    """The mean `policy_value` of cloning the small problem's data."""
    return float(np.mean(learned_values(BC(hidden=(32, 32), batch_size=64, learning_rate=1e-3), actions, 1000)))


def check_learning(
    algorithm: Algorithm, actions: ActionKind, updates: int, seeds: int = 3, progress: float = 0.5
) -> np.ndarray:
    """Trains on the small problem; every seed must cover the given share of the way from cloning to the optimum.

    Returns each seed's share: 0 is as good as cloning the data, 1 is optimal.
    """
    cloned = cloned_value(actions)
    shares = (learned_values(algorithm, actions, updates, seeds) - cloned) / (best_value(actions) - cloned)
    label = type(algorithm).__name__
    _require(bool(np.all(shares >= progress)), f"{label} learned too little: {shares} from cloning (0) to the best (1)")
    return shares


def check_algorithm(
    algorithm: Algorithm, data: Dataset | None = None, *, learns_terminal_next_obs: bool = False
) -> None:
    """Everything that the loop, checkpoints and evaluation rely on, in a few seconds; AssertionError says what broke.

    All state is arrays, and comes back from disk as it was; where training is cut into chunks leaves no trace; a
    population of seeds and of values of each float setting runs in one program and each member as it would alone;
    no number turns infinite or NaN; next_obs of a terminated row changes nothing, while time limits are bootstrapped
    wherever other rows are; branches on the step stay branches; the policy acts within bounds, greedily or by a key,
    in a loop.

    Without data: on the small problem, with each kind of action that the algorithm knows. A model of the dynamics
    does learn the last observation: `learns_terminal_next_obs`. Pass small networks to save time.
    """
    with quick_compilation():
        for logged in [data] if data is not None else [small_data(kind) for kind in algorithm.actions]:
            (ready,) = with_stages([algorithm], logged, UPDATES)
            _check_leaves(ready, logged.spec())
            members = [ready, *(replace(ready, **change) for change in _changes(ready)), ready]
            run = _check_chunks(members, logged)
            _check_members(members, logged, run)
            _check_branches(members, logged)
            _check_next_obs(members, logged, run, learns_terminal_next_obs)
            check_policy(ready.policy(member(run.agent, 0)), logged)


def with_stages(members: Sequence[Algorithm], data: Dataset, most: int) -> list[Algorithm]:
    """The algorithms with their stages trained, each for at most `most` updates."""
    ready = list(members)
    for index in range(len(ready[0].stages())):
        stages = [each.stages()[index] for each in ready]
        algorithms = with_stages([stage.algorithm for stage in stages], data, most)
        run, _ = _train(algorithms, data, range(len(ready)), [min(most, stages[0].steps)], salt=index + 1)
        trained = results(stack(algorithms), run.agent)
        ready = [replace(each, **{stages[0].field: member(trained, i)}) for i, each in enumerate(ready)]
    return ready


def check_policy(policy: Policy, data: Dataset) -> None:
    """It acts on raw observations, within bounds, the same greedily each time, and in a compiled loop."""
    label, spec = type(policy).__name__, data.spec()
    obs = jax.tree.map(lambda column: jnp.asarray(column[0]), data.obs)
    act = jax.jit(lambda key: policy.act(policy.begin(), obs, key)[0])
    greedy, again = act(None), act(None)
    _require(bool(jnp.all(greedy == again)), f"{label}: the greedy action differs from call to call")
    samples = jax.vmap(act)(jax.random.split(jax.random.key(0), 64))
    _check_actions(jnp.concatenate([greedy[None], samples]), spec.action, label)
    ignored = bool(jnp.all(samples == samples[:1]))
    _require(not ignored or bool(jnp.all(samples[0] == greedy)), f"{label}: one sample for all keys, and not the mode")

    def step(memory: PyTree, key: Array | None) -> tuple[PyTree, Array]:
        action, memory = policy.act(memory, obs, key)
        return policy.observe(memory, jnp.zeros(())), action

    for keys in (None, jax.random.split(jax.random.key(1), data.horizon)):
        try:
            jax.lax.scan(step, policy.begin(), keys, length=data.horizon)
        except TypeError as error:
            raise AssertionError(f"{label}: its memory changes shape or type from step to step: {error}") from error


def check_source(source: Source, data: Dataset | None = None, size: int = 32) -> None:
    """A source gives `size` rows, the same for the same key, others in the next update, compiled and for members.

    With data, every row of a batch without a time axis must be one of its rows.
    """
    label = type(source).__name__
    state = jax.jit(lambda key: source.init(key))(jax.random.key(0))
    sample = jax.jit(lambda state, key: source.sample(state, key, size))
    batch = sample(state, jax.random.key(1))
    for path, leaf in jax.tree.leaves_with_path(batch):
        _require(leaf.shape[:1] == (size,), f"{label}: {_name(path)} has shape {leaf.shape}, not {size} rows")
    _require(not _unequal(batch, sample(state, jax.random.key(1))), f"{label}: one key gave two batches")
    later = source.feedback(state, batch, {"td_error": jnp.ones(size)})
    _require(bool(_unequal(batch, sample(later, jax.random.key(2)))), f"{label}: it gives one batch for ever")
    if data is not None and batch.reward.ndim == 1:
        known = {row.tobytes() for row in _flat_rows(data)}
        found = [row.tobytes() in known for row in _flat_rows(batch)]
        _require(all(found), f"{label}: {found.count(False)} of {size} rows are not rows of the data")
    _check_source_members(source, size, label)


def branches(members: Sequence[Algorithm], data: Dataset) -> tuple[int, int]:
    """How many `cond` one update of the first has, and how many are left where all are advanced as a population."""
    algorithms, source = stack(members), members[0].source(data)
    run = jax.eval_shape(lambda: _start(members, data, [0] * len(members)))
    together = advance.trace(algorithms, source, run, UPDATES).jaxpr

    def once(agent: Any, state: PyTree, key: PRNGKey, step: Step) -> Any:
        return members[0].update(agent, source.sample(state, key, members[0].batch_size), key, step)

    first = jax.eval_shape(lambda run: member((run.agent, run.source, run.key), 0), run)
    alone = jax.make_jaxpr(once)(*first, run.step)
    return _count_conds(alone.jaxpr), _count_conds(together.jaxpr)


def _start(members: Sequence[Algorithm], data: Dataset, seeds: Sequence[int], salt: int = 0) -> Run:
    return start(stack(members), members[0].source(data), data.spec(), keys_of(list(seeds), salt))


def _train(
    members: Sequence[Algorithm],
    data: Dataset,
    seeds: Sequence[int],
    chunks: Sequence[int] = (UPDATES,),
    salt: int = 0,
    between: Callable[[Run], Run] = lambda run: run,
) -> tuple[Run, dict[str, Array]]:
    """What is done `between` is done after each chunk."""
    algorithms, source = stack(members), members[0].source(data)
    run, metrics = _start(members, data, seeds, salt), {}
    for updates in chunks:
        run, metrics = advance(algorithms, source, run, updates)
        run = between(run)
    return run, metrics


def _check_leaves(algorithm: Algorithm, spec: Spec) -> None:
    def check(tree: Any, label: str, kinds: tuple[type, ...]) -> None:
        for path, leaf in jax.tree.leaves_with_path(tree):
            where = f"{type(algorithm).__name__}: {label}{_name(path)}"
            _require(isinstance(leaf, kinds), f"{where} is {type(leaf).__name__}: make it static, or an array")

    check(algorithm, "", (jax.Array, np.ndarray, float, int))
    jax.eval_shape(lambda key: check(algorithm.init(key, spec), "agent", (jax.Array,)), jax.random.key(0))


def _seeds(members: Sequence[Algorithm]) -> list[int]:
    """Another seed for the last member, which is the first one's twin."""
    return [0] * (len(members) - 1) + [1]


def _check_chunks(members: Sequence[Algorithm], data: Dataset) -> Run:
    """The run, in finite numbers; cut into chunks, and taken through a file after each, training ends the same."""
    label, seeds = type(members[0]).__name__, _seeds(members)
    run, metrics = _train(members, data, seeds)
    first = jax.tree.leaves(_numbers(_start(members, data, seeds).agent))
    for (path, leaf), before in zip(jax.tree.leaves_with_path(_numbers(run.agent)), first, strict=True):
        fine = np.isfinite(leaf) | (leaf == before)  # an unbounded space's limits are infinite
        _require(bool(fine.all()), f"{label}: agent{_name(path)} is not finite after training")
    measured = _numbers(metrics)
    for name, value in measured.items():
        _require(not np.isinf(value).any(), f"{label}: metric {name} is infinite")
    _require(bool(np.isfinite(list(measured.values())).any()), f"{label}: no metric is a number")
    refreshes = type(members[0].source(data)).refresh is not Source.refresh
    cuts = (UPDATES,) if refreshes else (1, UPDATES - 3, 2)
    resumed, _ = _train(members, data, seeds, cuts, between=_through_file)
    broken = _unequal(run, resumed)
    _require(not broken, f"{label}: training twice, cut {cuts} and saved between, and not, differs in {broken[:3]}")
    return run


def _through_file(run: Run) -> Run:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "run.safetensors"
        save_tree(path, run, {})
        return load_tree(path, jax.eval_shape(lambda: run))


def _check_members(members: Sequence[Algorithm], data: Dataset, run: Run) -> None:
    """Each is as in a population of its like. One size of population throughout: one compilation."""
    for index, (each, seed) in enumerate(zip(members, _seeds(members), strict=True)):
        alike, _ = _train([each] * len(members), data, [seed] * len(members))
        broken = _unequal(member(_numbers(run.agent), index), member(_numbers(alike.agent), 0), tolerance=1e-3)
        _require(not broken, f"{type(each).__name__}: member {index} differs from {each} among its like: {broken[:3]}")


def _changes(algorithm: Algorithm) -> Iterator[dict[str, Any]]:
    """For each float setting, another value that is allowed."""
    hints = get_type_hints(type(algorithm), include_extras=True)
    for field in fields(algorithm):
        value, kind = getattr(algorithm, field.name), hints[field.name]
        if field.metadata.get("static") or not isinstance(value, float):
            continue
        allowed = get_args(kind)[1].holds if get_origin(kind) is Annotated else lambda _: True
        other = next((x for x in (0.5 * value, 1.5 * value, 0.5) if x != value and allowed(x)), None)
        if other is not None:
            yield {field.name: other}


def _check_branches(members: Sequence[Algorithm], data: Dataset) -> None:
    alone, together = branches(members, data)
    found = f"of {alone} cond in an update {together} are left in a population"
    why = "a batched predicate computes both branches, so branch on the step alone"
    _require(together >= alone, f"{type(members[0]).__name__}: {found}; {why}")


def _check_next_obs(members: Sequence[Algorithm], data: Dataset, run: Run, learns_terminal: bool) -> None:
    """Garbage after the end of the MDP has no effect; a time limit's next_obs has one if another row's has."""
    label = type(members[0]).__name__
    terminated, limit = data.continues == 0, data.last & (data.continues > 0)

    def after(rows: np.ndarray, value: float) -> Any:
        return _train(members, _with_next_obs(data, rows, value), _seeds(members))[0].agent

    if terminated.any() and not learns_terminal:
        broken = _unequal(after(terminated, GARBAGE), run.agent)
        _require(not broken, f"{label}: next_obs of terminated rows changes {broken[:3]}; multiply it by continues")
    if limit.any() and _unequal(after(~data.last, 0.5), run.agent):
        broken = _unequal(after(limit, 0.5), run.agent)
        _require(bool(broken), f"{label}: next_obs at time limits has no effect; bootstrap by continues alone")


def _with_next_obs(data: Dataset, rows: np.ndarray, value: float) -> Dataset:
    def changed(column: np.ndarray) -> np.ndarray:
        column = column.copy()
        column[rows] = value if np.issubdtype(column.dtype, np.floating) else 0
        return column

    return replace(data, next_obs=jax.tree.map(changed, data.next_obs))


def _check_actions(actions: Array, space: Box | Discrete, label: str) -> None:
    if isinstance(space, Discrete):
        _require(actions.ndim == 1 and jnp.issubdtype(actions.dtype, jnp.integer), f"{label}: an action is no integer")
        inside = (actions >= 0) & (actions < space.n)
    else:
        shape = actions.shape[1:]
        _require(shape == space.low.shape, f"{label}: an action has shape {shape}, not {space.low.shape}")
        slack = 1e-5 * (space.high - space.low)
        inside = (actions >= (space.low - slack)[None]) & (actions <= (space.high + slack)[None])
    _require(bool(jnp.all(inside)), f"{label}: an action is out of bounds: {actions[~inside][:3]}")


def _check_source_members(source: Source, size: int, label: str) -> None:
    keys = jax.random.split(jax.random.key(3), 2)
    states = jax.vmap(source.init)(keys)
    together = jax.jit(jax.vmap(lambda state, key: source.sample(state, key, size)))(states, keys)
    for index in range(2):
        alone = source.sample(member(states, index), keys[index], size)
        broken = _unequal(member(together, index), alone, tolerance=1e-6)
        _require(not broken, f"{label}: member {index} samples otherwise than alone: {broken[:3]}")
    metrics = {"td_error": jnp.ones((2, size))}
    fed = jax.jit(jax.vmap(lambda *given: source.feedback(*given)))(states, together, metrics)
    _require(_form(fed) == _form(states), f"{label}: feedback changes the form of the state")


def _form(tree: Any) -> list[tuple[str, tuple[int, ...], Any]]:
    return [(_name(path), leaf.shape, leaf.dtype) for path, leaf in jax.tree.leaves_with_path(tree)]


def _flat_rows(rows: Any) -> Float[np.ndarray, "B D"]:
    """The five columns of a data set or batch, side by side."""
    parts = jax.tree.leaves((rows.obs, rows.action, rows.reward, rows.next_obs, rows.continues))
    columns = [np.asarray(part, np.float32).reshape(len(part), -1) for part in parts]
    return np.ascontiguousarray(np.concatenate(columns, axis=1))


def _unequal(one: Any, other: Any, tolerance: float = 0) -> list[str]:
    """The paths of leaves that differ by more than this share of their norm."""
    paths = []
    pairs = zip(jax.tree.leaves_with_path(_numbers(one)), jax.tree.leaves(_numbers(other)), strict=True)
    for (path, a), b in pairs:
        same = np.array_equal(a, b)  # which infinite limits are, though their difference is NaN
        if not same and not np.linalg.norm(a - b) <= tolerance * (np.linalg.norm(b) + 1e-2):
            paths.append(_name(path))
    return paths


def _numbers(tree: Any) -> Any:
    """The tree with NumPy leaves of float64, keys as their bits."""

    def plain(leaf: Any) -> np.ndarray:
        is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        return np.asarray(jax.random.key_data(leaf) if is_key else leaf, np.float64)

    return jax.tree.map(plain, tree)


def _count_conds(jaxpr: Any) -> int:
    """In a jaxpr and all that it calls."""
    inner = [each for equation in jaxpr.eqns for each in jax.tree.leaves(list(equation.params.values()))]
    bodies = [getattr(each, "jaxpr", each) for each in inner]
    own = sum(equation.primitive.name == "cond" for equation in jaxpr.eqns)
    return own + sum(_count_conds(body) for body in bodies if hasattr(body, "eqns"))


def _name(path: tuple[Any, ...]) -> str:
    return jax.tree_util.keystr(path)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)
