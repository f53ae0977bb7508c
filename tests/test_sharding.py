"""Members on several devices, which one processor plays in a process of its own: the same policies, no talk between."""

import os
import subprocess
import sys

import jax
import numpy as np
import pytest

import mooring
from mooring.algorithms.value_regularization.iql import IQL
from mooring.sharding import devices_for, spread

SCRIPT = """
import sys
import jax
import numpy as np
import mooring
from mooring import loop
from mooring.algorithms.value_regularization.iql import IQL

algorithm, data = IQL(hidden=(16, 16), batch_size=16), mooring.load("pointmass-easy")
trained = mooring.train(algorithm, data, 50, seeds=4)
devices = {len(leaf.sharding.device_set) for leaf in jax.tree.leaves(trained.run.agent)}
program = loop.advance.lower(trained.algorithms, algorithm.source(data), trained.run, 5).compile().as_text()
talk = [word for word in ("all-gather", "all-reduce", "collective-permute", "all-to-all") if word in program]
print(devices, talk)
np.savez(sys.argv[1], *map(np.asarray, jax.tree.leaves(trained.policies)))
"""


@pytest.mark.every  # compiling for four devices takes a minute
def test_four_devices_learn_what_one_learns(tmp_path):
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=4"
    words = [sys.executable, "-c", SCRIPT, str(tmp_path / "four.npz")]
    told = subprocess.run(words, env={**os.environ, "XLA_FLAGS": flags}, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "{4} []"
    one = mooring.train(IQL(hidden=(16, 16), batch_size=16), mooring.load("pointmass-easy"), 50, seeds=4)
    four = np.load(tmp_path / "four.npz")
    for mine, theirs in zip(jax.tree.leaves(one.policies), four.values(), strict=True):
        np.testing.assert_allclose(np.asarray(mine), theirs, atol=1e-5)


@pytest.mark.parametrize(("members", "devices", "expected"), [(4, 4, 4), (6, 4, 3), (3, 2, 1), (1, 8, 1)])
def test_members_are_shared_out_equally(monkeypatch, members, devices, expected):
    monkeypatch.setattr(jax, "local_device_count", lambda: devices)
    assert devices_for(members) == expected


def test_one_device_moves_nothing():
    leaf = jax.numpy.zeros((jax.local_device_count() + 1, 2))
    assert spread(leaf, len(leaf)) is leaf
