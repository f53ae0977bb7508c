"""Random bits that are compiled as straight-line code are JAX's own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mooring import threefry
from mooring.loop import Run, keys_at_step


@pytest.mark.parametrize(
    ("key", "count", "words"),
    [
        ((0x00000000, 0x00000000), (0x00000000, 0x00000000), (0x6B200159, 0x99BA4EFE)),
        ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_the_words_are_those_that_its_authors_published(key, count, words):
    """The known answers of Random123, for 20 rounds."""
    found = threefry.threefry(*(jnp.uint32(each) for each in (*key, *count)))
    assert tuple(int(word) for word in found) == words


def test_draws_of_a_population_are_those_that_jax_compiles_by_itself():
    """Of a process in which JAX compiles the rounds as a loop."""
    draw = lambda seed: jax.random.bits(jax.random.split(jax.random.key(seed))[1], (3,))
    found = jax.jit(jax.vmap(draw))(jnp.arange(2))
    np.testing.assert_array_equal(found, [[31327077, 89727312, 2497208264], [1733648124, 2357486511, 956228320]])


def test_no_draw_of_the_training_loop_is_a_loop():
    """That is what makes its programs short to compile."""
    draw = lambda run: jax.random.normal(keys_at_step(run)[0], (3, 5))
    run = Run(None, None, jax.random.key(0), jnp.zeros((), jnp.int32))
    assert "while" not in jax.jit(draw).lower(run).as_text()
