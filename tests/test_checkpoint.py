"""What is saved comes back bit for bit, and nothing else is taken for it."""

import os
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mooring.checkpoint import load_meta, load_tree, save_tree, write_atomically
from mooring.errors import BadInput


def tree():
    return {
        "weights": (jnp.arange(6.0).reshape(2, 3), jnp.zeros((0,))),
        "key": jax.random.split(jax.random.key(3), 2),
        "step": jnp.asarray(7, jnp.int32),
        "flag": jnp.asarray([True, False]),
        "image": jnp.arange(4, dtype=jnp.uint8),
    }


def test_round_trip_is_exact(tmp_path):
    saved = tree()
    save_tree(tmp_path / "a" / "run.safetensors", saved, {"step": 7})
    loaded = load_tree(tmp_path / "a" / "run.safetensors", jax.eval_shape(tree))
    assert jax.tree.structure(loaded) == jax.tree.structure(saved)
    for before, after in zip(jax.tree.leaves(saved), jax.tree.leaves(loaded), strict=True):
        assert before.dtype == after.dtype
        raw = [jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x for x in (before, after)]
        np.testing.assert_array_equal(*raw)
    assert load_meta(tmp_path / "a" / "run.safetensors") == {"step": 7}


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    file = tmp_path / "run.safetensors"
    write_atomically(file, b"old")

    def fail(descriptor):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        write_atomically(file, b"new")
    assert file.read_bytes() == b"old"


@pytest.mark.parametrize("kept", [0, 5, 100, -1])
def test_truncated_files_are_refused(tmp_path, kept):
    file = tmp_path / "run.safetensors"
    save_tree(file, tree(), {})
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(BadInput, match="is truncated, or not a file"):
        load_tree(file, tree())


def test_foreign_files_and_pickles_are_refused(tmp_path):
    file = tmp_path / "run.safetensors"
    file.write_text("what is this?")
    with pytest.raises(BadInput, match="not a file of Mooring's"):
        load_tree(file, tree())
    file.write_bytes(pickle.dumps({"weights": [1]}))
    with pytest.raises(BadInput, match="is a pickle"):
        load_tree(file, tree())
    with pytest.raises(BadInput, match="no such file"):
        load_tree(tmp_path / "absent", tree())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t | {"step": jnp.zeros((2,), jnp.int32)}, r"\['step'\] is int32\[\]; expected int32\[2\]"),
        (lambda t: t | {"step": jnp.zeros(())}, r"expected float32\[\]"),
        (lambda t: t | {"more": jnp.zeros(())}, r"has no \['more'\]"),
        (lambda t: {k: v for k, v in t.items() if k != "flag"}, r"holds \['flag'\] too"),
    ],
)
def test_another_configuration_is_refused(tmp_path, change, message):
    save_tree(tmp_path / "run.safetensors", tree(), {})
    with pytest.raises(BadInput, match=message):
        load_tree(tmp_path / "run.safetensors", change(tree()))
