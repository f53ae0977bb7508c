"""A run that is killed at any moment, in a stage too, ends bit for bit where the unbroken run ends."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import fields

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mooring import registry
from mooring.checkpoint import load_meta
from mooring.data import load, save_npz
from mooring.runs import MAIN, RunFolder
from mooring.testing import quick_compilation, small_data
from mooring.training import train

SMALL = {
    "hidden": (16, 16),
    "batch_size": 16,
    "critics": 3,
    "context": 4,
    "layers": 1,
    "width": 16,
    "density_steps": 400,
    "density_hidden": (16, 16),
    "predictor_hidden": (16, 16),
    "decay_steps": 10_000,
}
CADENCE = {"chunk": 20, "save_every": 40}
TRAIN = """
import json, sys
from mooring import registry
from mooring.training import train
name, actions, settings, data, folder, cadence = json.loads(sys.argv[1])
algorithm = registry.load_class(registry.find(name, actions))(**{k: tuple(v) if isinstance(v, list) else v
                                                              for k, v in settings.items()})
train(algorithm, data, 1_000_000, seeds=2, folder=folder, **cadence)
"""


def forms():
    """Every algorithm, with each kind of actions that it is for."""
    return [(entry.name, actions) for entry in registry.entries() for actions in entry.actions]


def small(name, actions):
    cls = registry.load_class(registry.find(name, actions))
    return cls(**{field.name: SMALL[field.name] for field in fields(cls) if field.name in SMALL})


def settings_of(algorithm):
    return {field.name: SMALL[field.name] for field in fields(algorithm) if field.name in SMALL}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for actions in ("continuous", "discrete"):
        save_npz(small_data(actions, episodes=20), folder / f"{actions}.npz")
    return folder


def killed_run(name, actions, files, folder, stage):
    """Starts training in another process, and kills it soon after the first checkpoint of a stage."""
    given = [name, actions, settings_of(small(name, actions)), str(files / f"{actions}.npz"), str(folder), CADENCE]
    quick = {**os.environ, "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}  # as `quick_compilation` does here
    process = subprocess.Popen([sys.executable, "-c", TRAIN, json.dumps(given)], env=quick)
    checkpoint = RunFolder(folder).checkpoint_file(stage)
    deadline = time.monotonic() + 240
    while not checkpoint.exists():
        assert process.poll() is None, "the training ended by itself"
        assert time.monotonic() < deadline, "no checkpoint came"
        time.sleep(0.01)
    time.sleep(0.05)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    return load_meta(checkpoint)["step"]


@pytest.mark.parametrize(("name", "actions"), forms())
def test_a_killed_run_ends_where_the_unbroken_one_ends(name, actions, files, tmp_path):
    algorithm, data = small(name, actions), load(files / f"{actions}.npz")
    stages = [stage.field for stage in algorithm.stages()]
    step = killed_run(name, actions, files, tmp_path / "run", (stages or [MAIN])[0])
    if stages:
        assert not RunFolder(tmp_path / "run").checkpoint_file().exists(), "it was to be killed in its stage"
    steps = 60 + (0 if stages else step)

    with quick_compilation():
        resumed = train(algorithm, data, steps, seeds=2, folder=tmp_path / "run", resume=True, **CADENCE)
        unbroken = train(algorithm, data, steps, seeds=2, **CADENCE)

    assert_same(resumed.run, unbroken.run)
    assert_same(resumed.algorithms, unbroken.algorithms)
    assert resumed.rows == unbroken.rows
    written = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    np.testing.assert_equal(written, unbroken.rows)


def assert_same(one, other):
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for path, leaf in jax.tree_util.tree_leaves_with_path(one):
        twin = dict(jax.tree_util.tree_leaves_with_path(other))[path]
        raw = [jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x for x in (leaf, twin)]
        np.testing.assert_array_equal(*raw, err_msg=jax.tree_util.keystr(path))
