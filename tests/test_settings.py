import math
from dataclasses import dataclass
from typing import Any, Literal

import jax.numpy as jnp
import pytest

from mooring import settings
from mooring.algorithms.policy_constraint.td3_bc import TD3BC
from mooring.errors import BadInput
from mooring.loop import stack
from mooring.settings import Count, NonNegative, Positive, Range, Unit, Widths


@dataclass
class Holder:
    rate: Positive = 1.0
    noise: NonNegative = 0.0
    discount: Unit = 1.0
    delay: Count = 1
    flag: bool = False
    hidden: Widths = (8,)
    kernel: Literal["gaussian", "laplacian"] = "gaussian"


@pytest.mark.parametrize(
    ("setting", "value", "expected"),
    [
        ("rate", 0.0, "(0, inf)"),
        ("rate", -1.0, "(0, inf)"),
        ("rate", math.nan, "(0, inf)"),
        ("rate", math.inf, "(0, inf)"),
        ("rate", "2.5", "a number"),
        ("discount", 1.01, "[0, 1]"),
        ("noise", -0.1, "[0, inf)"),
        ("delay", 0, "[1, inf)"),
        ("delay", 2.0, "a whole number"),
        ("delay", True, "a whole number"),
        ("flag", 1, "True or False"),
        ("hidden", (256, 0), "widths"),
        ("hidden", 256, "widths"),
        ("kernel", "laplace", "'gaussian' or 'laplacian'"),
    ],
)
def test_a_bad_setting_is_named_with_what_it_should_be(setting: str, value: Any, expected: str):
    with pytest.raises(BadInput) as caught:
        settings.check(Holder(**{setting: value}))
    assert f"Holder.{setting}" in str(caught.value)
    assert expected in str(caught.value)


def test_good_settings_pass_stacked_ones_too():
    settings.check(Holder())
    settings.check(Holder(rate=jnp.asarray([1.0, 2.0])))
    settings.check(Holder(rate=1, noise=0, discount=0.0, delay=3, flag=True, hidden=(1, 2)))


def test_an_algorithm_checks_its_own():
    with pytest.raises(BadInput, match=r"TD3BC\.discount"):
        TD3BC(discount=1.5)
    assert stack([TD3BC(alpha=1.0), TD3BC(alpha=2.0)]).alpha.tolist() == [1, 2]


def test_the_ends_of_a_range_belong_to_it_unless_it_is_open():
    assert Range(0, 1).holds(0)
    assert Range(0, 1).holds(1)
    assert not Range(0, 1, open_low=True).holds(0)
    assert not Range(0, 1, open_high=True).holds(1)
    assert str(Range(0, 1, open_low=True)) == "(0, 1]"
    assert str(Range(0, 1, open_high=True)) == "[0, 1)"
