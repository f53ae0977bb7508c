"""SEEM: eigenvalues known by hand, and that errors of a linear critic move as its matrix says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mooring.diagnostics.gradients import output_gradient, squared_norms
from mooring.diagnostics.seem import feedback, seem
from mooring.networks.mlp import MLP, Linear

ONE = jnp.ones(1)
DISCOUNT = 0.9


def linear(weight=0.5, bias=0.0):
    """Q(x) = weight x + bias, whose gradient is (x, 1)."""
    return MLP((Linear(jnp.full((1, 1), weight), jnp.full(1, bias)),), (), jax.nn.relu)


@jax.jit
def gradients(net, x):
    return jax.vmap(lambda x: output_gradient(net, x[None], ONE))(x.astype(jnp.float32))


def matrix(x, after, continues=None):
    goes_on = jnp.ones(len(x)) if continues is None else jnp.asarray(continues)
    now, then = (gradients(linear(), jnp.asarray(each)) for each in (x, after))
    return np.asarray(feedback(now, then, DISCOUNT, goes_on))


@pytest.mark.parametrize(
    ("x", "after", "expected"),
    [
        ([1.0], [3.0], (DISCOUNT * 4 - 2) / 2),  # (3, 1) . (1, 1) = 4, and |(1, 1)|^2 = 2: the next value gains more
        ([1.0], [-1.0], -1.0),  # what is learned here changes nothing there
        ([1.0, -1.0], [-1.0, 1.0], DISCOUNT - 1),  # [[-1, gamma], [gamma, -1]]
        ([1.0, -1.0], [3.0, -3.0], 3 * DISCOUNT - 1),  # gamma [[2, -1], [-1, 2]] - 1
    ],
)
def test_eigenvalues_by_hand(x, after, expected):
    np.testing.assert_allclose(seem(matrix(x, after)), expected, rtol=1e-5)


def test_a_rotation_counts_by_its_real_part():
    """Eigenvalues a +- b i of [[a, -b], [b, a]]."""
    np.testing.assert_allclose(seem(np.array([[0.25, -3.0], [3.0, 0.25]])), 0.25)


def test_what_terminates_feeds_nothing_back():
    np.testing.assert_allclose(matrix([1.0], [3.0], [0.0]), [[-1.0]])


def test_what_is_not_finite_is_infinite():
    found = seem(np.stack([np.full((2, 2), np.nan), -np.eye(2)]))
    np.testing.assert_array_equal(found, [np.inf, -1.0])


@pytest.mark.parametrize("after", [[0.5, -0.2, 1.0], [3.0, -4.0, 3.0]])
def test_errors_of_a_linear_critic_move_as_the_matrix_says(after):
    """u <- (I + eta A) u by gradient steps on the squared error of a fixed target, and so they grow or fade."""
    x, after, rewards = np.array([1.0, -0.5, 0.3]), np.asarray(after), np.array([1.0, 0.0, -1.0])
    a, scale = matrix(x, after), float(jnp.mean(squared_norms(gradients(linear(), jnp.asarray(x)))))

    def error(weight, bias):
        return weight * x + bias - rewards - DISCOUNT * (weight * after + bias)

    weight, bias, rate = 0.5, 0.0, 0.1
    for _ in range(300):
        before = error(weight, bias)
        weight, bias = weight - rate * before @ x, bias - rate * before.sum()
        np.testing.assert_allclose(error(weight, bias), before + rate * scale * a @ before, rtol=1e-4, atol=1e-6)
    grown = np.abs(error(weight, bias)).max() > 1e3
    assert grown == (seem(a) > 0.01)  # three rows and two parameters: 0 is an eigenvalue, up to rounding
