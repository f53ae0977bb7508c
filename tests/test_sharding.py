"""Members and rows on several devices, which one processor plays in a process of its own: the same policies."""

import os
import subprocess
import sys

import jax
import numpy as np
import pytest

import mooring
from mooring.algorithms.policy_constraint.td3_bc import TD3BC
from mooring.cores import FLAG
from mooring.sharding import Layout, largest_share
from mooring.testing import small_data

SCRIPT = """
import sys
import jax
import numpy as np
import mooring
from mooring import loop
from mooring.algorithms.policy_constraint.td3_bc import TD3BC
from mooring.sharding import Layout
from mooring.testing import small_data

seeds, split = int(sys.argv[1]), sys.argv[2] == "split"
algorithm, data = TD3BC(hidden=(16, 16), batch_size=16), small_data("continuous", 20)
trained = mooring.train(algorithm, data, 50, seeds=seeds, split_batches=split)
devices = {len(leaf.sharding.device_set) for leaf in jax.tree.leaves(trained.run.agent)}
source = Layout.of(seeds, 16 if split else 1).feed(algorithm.source(data))
program = loop.advance.lower(trained.algorithms, source, trained.run, 5).compile().as_text()
print(devices, [talk for talk in ("all-gather", "all-reduce", "collective-permute", "all-to-all") if talk in program])
np.savez(sys.argv[3], *map(np.asarray, jax.tree.leaves(trained.policies)))
"""


@pytest.mark.parametrize(
    ("seeds", "split"),
    [
        pytest.param(4, "whole", marks=pytest.mark.every),
        pytest.param(1, "split", marks=pytest.mark.every),
        pytest.param(2, "split", marks=pytest.mark.every),
    ],
)
def test_four_devices_learn_what_one_learns(tmp_path, seeds, split):
    flags = f"{os.environ.get('XLA_FLAGS', '')} {FLAG}=4"
    words = [sys.executable, "-c", SCRIPT, str(seeds), split, str(tmp_path / "four.npz")]
    told = subprocess.run(words, env={**os.environ, "XLA_FLAGS": flags}, capture_output=True, text=True, check=True)
    devices, talk = told.stdout.strip().split(" ", 1)
    assert devices == "{4}"
    assert "all-reduce" in talk if split == "split" else talk == "[]"
    one = mooring.train(TD3BC(hidden=(16, 16), batch_size=16), small_data("continuous", 20), 50, seeds=seeds)
    four = np.load(tmp_path / "four.npz")
    for mine, theirs in zip(jax.tree.leaves(one.policies), four.values(), strict=True):
        np.testing.assert_allclose(np.asarray(mine), theirs, atol=1e-5)


@pytest.mark.parametrize(("things", "devices", "expected"), [(4, 4, 4), (6, 4, 3), (3, 2, 1), (1, 8, 1)])
def test_things_are_shared_out_equally(things, devices, expected):
    assert largest_share(things, devices) == expected


def test_one_device_moves_nothing():
    layout, leaf = Layout.of(1), jax.numpy.zeros((1, 2))
    assert layout.mesh.size == 1
    assert layout.spread(leaf) is leaf
