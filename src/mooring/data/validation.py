"""The border that every data set crosses once: raw columns in, clean ones out, or one clear `BadInput`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mooring.data.spaces import ActionSpace, Bounds, DataSpace, Discrete, Image, ObsSpace
from mooring.errors import BadInput

Obs = np.ndarray | dict[str, np.ndarray]

BOUND_TOLERANCE = 1e-5  # ours: of a bound's width; float32 arithmetic leaves actions this far outside


def numeric(value: Any, field: str, where: str) -> np.ndarray:
    """The column as an array of numbers; objects (which only a pickle can hold) and text are refused."""
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise BadInput(where, f"{field} is ragged", "an array with one row per step") from error
    if array.dtype.kind not in "biuf":
        raise BadInput(where, f"{field} has dtype {array.dtype}", "numbers", "objects and text are not read")
    if array.ndim == 0:
        raise BadInput(where, f"{field} is a single number", "an array with one row per step")
    return array


def rows_with(mask: np.ndarray) -> np.ndarray:
    """The rows (indices of the first axis) in which any entry is true."""
    return np.flatnonzero(mask.any(axis=tuple(range(1, mask.ndim))))


def finite(array: np.ndarray, field: str, where: str) -> np.ndarray:
    """The array itself, or the first row and the count of rows that hold NaN or infinity."""
    if array.dtype.kind != "f":
        return array
    good = np.isfinite(array)
    if not good.all():
        bad = rows_with(~good)
        raise BadInput(where, f"{field} holds NaN or infinity in {len(bad)} rows, first row {bad[0]}", "finite numbers")
    return array


def float32(array: np.ndarray, field: str, where: str) -> np.ndarray:
    """The column in float32, finite after the conversion too."""
    with np.errstate(over="ignore"):
        return finite(np.ascontiguousarray(array, np.float32), field, where)


def int32(array: np.ndarray, field: str, where: str) -> np.ndarray:
    limits = np.iinfo(np.int32)
    bad = rows_with((array < limits.min) | (array > limits.max))
    if len(bad):
        raise BadInput(where, f"{field} does not fit 32 bits in {len(bad)} rows, first row {bad[0]}")
    return np.ascontiguousarray(array, np.int32)


def flags(value: Any, field: str, where: str) -> np.ndarray:
    """A column of booleans (N,) from booleans or from zeros and ones."""
    array = vector(value, field, where)
    bad = np.flatnonzero((array != 0) & (array != 1))
    if len(bad):
        raise BadInput(where, f"{field} is {array[bad[0]]} in row {bad[0]}", "0 or 1 in every row")
    return array.astype(bool)


def vector(value: Any, field: str, where: str) -> np.ndarray:
    """A column of one number per row; (N, 1) is taken for (N,)."""
    array = numeric(value, field, where)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise BadInput(where, f"{field} has shape {array.shape}", "one number per row")
    return array


def extra_column(value: Any, field: str, where: str) -> np.ndarray:
    """A further column: float32, int32, uint8 or bool by its own kind."""
    array = numeric(value, field, where)
    if array.dtype == np.uint8 or array.dtype.kind == "b":
        return np.ascontiguousarray(array)
    return (float32 if array.dtype.kind == "f" else int32)(array, field, where)


def observations(value: Any, field: str, where: str) -> Obs:
    """Float vectors (N, O), images (N, H, W, C) of uint8, integers (N,), or a dict of those."""
    if not isinstance(value, Mapping):
        return one_observation(value, field, where)
    if not value:
        raise BadInput(where, f"{field} is an empty dict")
    return {name: one_observation(value[name], label(field, name), where) for name in sorted(value)}


def one_observation(value: Any, field: str, where: str) -> np.ndarray:
    array = numeric(value, field, where)
    if array.ndim == 4 and array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if array.ndim == 1 and array.dtype.kind in "iu":
        return int32(array, field, where)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        expected = "vectors (N, O), uint8 images (N, H, W, C) or integers (N,)"
        raise BadInput(where, f"{field} has shape {array.shape} and dtype {array.dtype}", expected)
    return float32(array, field, where)


def parts(column: Obs) -> dict[str, np.ndarray]:
    """The arrays of a column: a plain one has one part, named ""."""
    return column if isinstance(column, dict) else {"": column}


def label(field: str, part: str) -> str:
    return f"{field}[{part}]" if part else field


def observation_space(obs: Obs, next_obs: Obs, given: ObsSpace | None, where: str) -> ObsSpace:
    """The space of checked observations: as given, where it fits them, else read off the data."""
    known = given if isinstance(given, dict) else {"": given}
    following = parts(next_obs)
    spaces = {
        part: one_observation_space(array, following[part], known.get(part), label("obs", part), where)
        for part, array in parts(obs).items()
    }
    return spaces if isinstance(obs, dict) else spaces[""]


def one_observation_space(
    obs: np.ndarray, next_obs: np.ndarray, given: DataSpace | None, field: str, where: str
) -> DataSpace:
    if obs.ndim == 4:
        return Image(obs.shape[1:])
    if obs.ndim == 1:
        needed = int(max(obs.max(), next_obs.max())) + 1
        n = given.n if isinstance(given, Discrete) else needed
        in_range(obs, n, field, where)
        in_range(next_obs, n, f"next_{field}", where)
        return Discrete(n)
    if isinstance(given, Bounds):
        return Bounds.of(given.low, given.high, obs.shape[1])
    return Bounds.unknown(obs.shape[1])


def in_range(column: np.ndarray, n: int, field: str, where: str) -> None:
    bad = np.flatnonzero((column < 0) | (column >= n))
    if len(bad):
        found = f"{field} lies outside in {len(bad)} rows, first row {bad[0]} ({column[bad[0]]})"
        raise BadInput(where, found, f"0 to {n - 1}")


def actions(value: Any, given: ActionSpace | None, where: str) -> tuple[np.ndarray, ActionSpace]:
    """Checked actions and their space. Only integers, one per row, are discrete; floats stay continuous."""
    array = numeric(value, "action", where)
    whole = array.dtype.kind in "iub"
    if isinstance(given, Bounds) or not whole:
        if isinstance(given, Discrete):
            raise BadInput(where, f"action has dtype {array.dtype}", "integers, as the space is discrete")
        return continuous_actions(array, given, where)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        found = f"action holds integers of shape {array.shape}"
        fix = "if the actions are continuous, convert them to float32"
        raise BadInput(where, found, "one integer per row for discrete actions", fix)
    column = int32(array, "action", where)
    n = given.n if given else int(column.max(initial=0)) + 1
    in_range(column, n, "action", where)
    return column, Discrete(n)


def continuous_actions(array: np.ndarray, given: Bounds | None, where: str) -> tuple[np.ndarray, Bounds]:
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2:
        raise BadInput(where, f"action has shape {array.shape}", "(N, A)")
    column = float32(array, "action", where)
    known = given is not None and given.finite
    low, high = (given.low, given.high) if given is not None and known else (-1.0, 1.0)
    bounds = Bounds.of(low, high, column.shape[1])
    fix = "" if known else "the bounds are not known: give action_space=Bounds.of(low, high, size)"
    _check_bounds(column, bounds, fix, where)
    return np.clip(column, bounds.low, bounds.high), bounds


def _check_bounds(column: np.ndarray, bounds: Bounds, fix: str, where: str) -> None:
    """Refuses actions that lie outside their bounds by more than rounding."""
    outside = np.maximum(bounds.low - column, column - bounds.high)
    bad = np.argwhere(outside > BOUND_TOLERANCE * (bounds.high - bounds.low))
    if not len(bad):
        return
    row, entry = bad[0]
    first = f"first row {row} (entry {entry} is {column[row, entry]:g})"
    found = f"action lies outside its bounds in {len(np.unique(bad[:, 0]))} rows, {first}"
    raise BadInput(where, found, f"{bounds.low[entry]:g} to {bounds.high[entry]:g}", fix)


def check_labels(labels: Mapping[str, Sequence[str]], spaces: Mapping[str, ObsSpace], where: str) -> None:
    """One label for each entry of a vector, or for each choice of a discrete space."""
    for field, names in labels.items():
        space = spaces.get(field)
        size = space.n if isinstance(space, Discrete) else space.low.size if isinstance(space, Bounds) else None
        if len(names) != size:
            raise BadInput(where, f"{len(names)} labels of {field}", f"{size if size is not None else 'none'}")
