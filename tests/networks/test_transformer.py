"""The transformer: attention by hand, what each token can see, dropout."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

from mooring.networks.trajectory import TrajectoryModel, Window
from mooring.networks.transformer import Attention, Decoder, causal, dropout

TOKENS, WIDTH = 6, 8
REAL = jnp.array([False, False, True, True, True, True])


def alone(decoder: Decoder, tokens: Array, real: Array, *dropping: Any) -> Array:
    """The output for one sequence, as a batch of its own."""
    return decoder(tokens[None], real[None], *dropping)[0]


def of_window(model: TrajectoryModel, window: Window) -> Array:
    return model(jax.tree.map(lambda column: column[None], window))[0]


@pytest.fixture
def decoder() -> Decoder:
    return Decoder.of(jax.random.key(0), layers=2, width=WIDTH, heads=2)


@pytest.fixture
def tokens() -> Array:
    return jax.random.normal(jax.random.key(1), (TOKENS, WIDTH))


@pytest.mark.parametrize("heads", [1, 2])
def test_attention_is_the_formula(heads: int, tokens: Array) -> None:
    attention = Attention.of(jax.random.key(2), WIDTH, heads)
    attention = jax.tree.map(lambda leaf: 20 * leaf + 0.1, attention)  # so that weights differ and biases count
    given = np.asarray(attention(tokens[None], causal(REAL)[None], 0.0, None)[0])
    x, w, b, w_out, b_out = (
        np.asarray(leaf, np.float64)
        for leaf in (tokens, *jax.tree.leaves(attention.inputs), *jax.tree.leaves(attention.output))
    )
    q, k, v = np.split(x @ w + b, 3, axis=1)
    size = WIDTH // heads
    for row in range(TOKENS):
        seen = [column for column in range(row + 1) if REAL[column] or column == row]
        mixed = np.zeros(WIDTH)
        for head in range(heads):
            part = slice(head * size, (head + 1) * size)
            weight = np.exp(k[seen, part] @ q[row, part] / size**0.5)
            mixed[part] = weight / weight.sum() @ v[seen, part]
        np.testing.assert_allclose(given[row], mixed @ w_out + b_out, rtol=2e-5, atol=2e-5)


def test_decoder_leaves_are_float_arrays_drawn_as_gpt2(decoder: Decoder) -> None:
    leaves = jax.tree.leaves(decoder)
    assert all(isinstance(leaf, Array) and leaf.dtype == jnp.float32 for leaf in leaves)
    wide = Decoder.of(jax.random.key(0), layers=1, width=128, heads=1)
    for linear in (wide.blocks[0].attention.inputs, *wide.blocks[0].perceptron.layers):
        assert np.std(linear.weight) == pytest.approx(0.02, rel=0.02)
        assert not linear.bias.any()


def test_no_token_sees_the_future(decoder: Decoder, tokens: Array) -> None:
    everything = jnp.ones(TOKENS, bool)
    before = alone(decoder, tokens, everything)
    for place in range(TOKENS):
        after = alone(decoder, tokens.at[place].set(7.0), everything)
        np.testing.assert_array_equal(after[:place], before[:place])
        assert np.all(np.any(np.asarray(after[place:] != before[place:]), axis=1))


def test_no_real_token_sees_padding(decoder: Decoder, tokens: Array) -> None:
    before = alone(decoder, tokens, REAL)
    after = alone(decoder, tokens.at[:2].set(1e6), REAL)
    np.testing.assert_array_equal(after[2:], before[2:])
    np.testing.assert_allclose(before[2:], alone(decoder, tokens[2:], REAL[2:]), rtol=1e-5, atol=1e-6)
    assert np.all(np.isfinite(after))


def test_padding_has_no_gradient(decoder: Decoder, tokens: Array) -> None:
    gradient = jax.grad(lambda tokens: jnp.sum(alone(decoder, tokens, REAL)[2:] ** 3))(tokens)
    assert not gradient[:2].any()
    assert np.all(np.isfinite(gradient))
    assert gradient[2:].any()


def test_sequences_of_a_batch_do_not_see_each_other(decoder: Decoder, tokens: Array) -> None:
    several = jnp.stack([tokens, -tokens, tokens**2])
    real = jnp.stack([REAL, ~REAL, jnp.ones(TOKENS, bool)])
    expected = jnp.stack([alone(decoder, *one) for one in zip(several, real, strict=True)])
    np.testing.assert_allclose(decoder(several, real), expected, rtol=1e-5, atol=1e-6)


def test_dropout_keeps_the_mean_and_drops_its_share() -> None:
    kept = dropout(jnp.ones(40_000), 0.1, jax.random.key(0))
    assert set(np.unique(kept).round(4)) == {0.0, np.float32(1.1111)}
    assert float(jnp.mean(kept == 0)) == pytest.approx(0.1, abs=0.006)
    ones = jnp.ones(4)
    np.testing.assert_array_equal(dropout(ones, 0.5, None), ones)
    np.testing.assert_array_equal(dropout(ones, 0.0, jax.random.key(0)), ones)


def test_dropout_acts_in_the_decoder_and_its_rate_may_be_traced(decoder: Decoder, tokens: Array) -> None:
    real = jnp.ones(TOKENS, bool)
    run = jax.jit(lambda rate, key: alone(decoder, tokens, real, rate, key))
    plain = alone(decoder, tokens, real)
    np.testing.assert_allclose(run(0.0, jax.random.key(0)), plain, rtol=1e-5, atol=1e-6)
    one, same, other = run(0.3, jax.random.key(0)), run(0.3, jax.random.key(0)), run(0.3, jax.random.key(1))
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other)
    assert not np.allclose(one, plain)


@pytest.mark.parametrize("column", ["obs", "return_to_go", "action", "timestep"])
def test_a_prediction_sees_its_own_return_and_obs_and_all_before_but_not_its_action(column: str) -> None:
    model = TrajectoryModel.of(jax.random.key(0), 3, 2, 9, discrete=False, layers=1, heads=1, width=8)
    keys = jax.random.split(jax.random.key(1), 3)
    obs, action, to_go = (jax.random.normal(k, shape) for k, shape in zip(keys, ((4, 3), (4, 2), (4,)), strict=True))
    window = Window(obs, action, to_go, jnp.arange(3, 7), jnp.ones(4))
    changed = replace(window, **{column: getattr(window, column).at[2].set(8)})
    differs = np.any(np.asarray(of_window(model, changed) != of_window(model, window)), axis=1)
    assert differs.tolist() == [False, False, column != "action", True]


def test_steps_beyond_the_horizon_share_the_last_embedding() -> None:
    model = TrajectoryModel.of(jax.random.key(0), 3, 2, 9, discrete=True, layers=1, heads=1, width=8)
    at = lambda timestep: replace(Window.empty(1, 3, 2), timestep=jnp.array([timestep]), mask=jnp.ones(1))
    np.testing.assert_array_equal(of_window(model, at(50)), of_window(model, at(8)))
    assert not np.allclose(of_window(model, at(7)), of_window(model, at(8)))
