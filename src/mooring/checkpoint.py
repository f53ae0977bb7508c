"""Pytrees on disk: one flat safetensors file, each leaf under its tree path. Nothing is pickled.

A file is written beside its place, synced, and renamed, so a kill leaves the old file or the new one.
"""

import json
import os
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree
from safetensors import SafetensorError
from safetensors.numpy import load, save

from mooring.errors import BadInput

META = "mooring"


def write_atomically(path: Path, content: bytes) -> None:
    """The file holds all of `content`, even if the machine stops right after, or is as it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def save_tree(path: Path, tree: PyTree, meta: dict[str, Any]) -> None:
    """Every leaf by its tree path, and `meta` as JSON in the file's header."""
    leaves = {name: _plain(leaf) for name, leaf in _named(tree).items()}
    write_atomically(path, save(leaves, metadata={META: json.dumps(meta)}))


def load_tree(path: Path, like: PyTree) -> PyTree:
    """The tree that was saved, in the structure of `like` (arrays, or shapes from `jax.eval_shape`).

    Raises BadInput where the file is absent, truncated or foreign, and where its leaves are not those of `like`.
    """
    found = _tensors(path)
    wanted = _named(like)
    for name, leaf in wanted.items():
        shape, dtype = _plain_form(leaf)
        if name not in found:
            raise BadInput(str(path), f"has no {name}", "a checkpoint of this configuration")
        if found[name].shape != shape or found[name].dtype != dtype:
            described = f"{name} is {found[name].dtype}{list(found[name].shape)}"
            raise BadInput(str(path), described, f"{dtype}{list(shape)}: it belongs to another configuration")
    if extra := sorted(set(found) - set(wanted)):
        raise BadInput(str(path), f"holds {extra[0]} too", "a checkpoint of this configuration")
    leaves = [_restored(found[name], leaf) for name, leaf in wanted.items()]
    return jax.tree.unflatten(jax.tree.structure(like), leaves)


def load_meta(path: Path) -> dict[str, Any]:
    """What was saved beside the leaves; reads the header alone."""
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            if not 0 < size < 100_000_000:
                raise ValueError("no header")
            header = json.loads(file.read(size))
        return dict(json.loads(header["__metadata__"][META]))
    except FileNotFoundError:
        raise BadInput(str(path), "no such file") from None
    except (ValueError, KeyError, TypeError):
        raise _foreign(path) from None


def _tensors(path: Path) -> dict[str, np.ndarray]:
    load_meta(path)  # refuses files that are not ours
    try:
        return dict(load(path.read_bytes()))
    except SafetensorError:
        raise _foreign(path) from None


def _foreign(path: Path) -> BadInput:
    with path.open("rb") as file:
        pickled = file.read(1) == b"\x80"
    kind = "is a pickle, and nothing is loaded by pickle" if pickled else "is truncated, or not a file of Mooring's"
    return BadInput(str(path), kind, "a .safetensors file that Mooring saved")


def _named(tree: PyTree) -> dict[str, Any]:
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path): leaf for path, leaf in leaves}


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _plain(leaf: Any) -> np.ndarray:
    return np.asarray(jax.random.key_data(leaf) if _is_key(leaf) else leaf, order="C")


def _plain_form(leaf: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    form = jax.eval_shape(jax.random.key_data, leaf) if _is_key(leaf) else leaf
    return tuple(form.shape), np.dtype(form.dtype)


def _restored(array: np.ndarray, leaf: Any) -> jax.Array:
    return jax.random.wrap_key_data(jnp.asarray(array)) if _is_key(leaf) else jnp.asarray(array)
