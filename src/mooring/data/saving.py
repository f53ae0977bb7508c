"""`save`: one verb for every format that data sets are written in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from mooring.data import formats
from mooring.data.dataset import Dataset
from mooring.data.formats.meta import FIELDS, SPACES
from mooring.data.landing import landing
from mooring.data.spaces import Bounds, ObsSpace
from mooring.errors import BadInput


def save(data: Dataset, path: str | Path, format: str | None = None, *, force: bool = False) -> list[str]:
    """Writes a data set to a file or folder (or "minari:NAME") and returns what that could not hold, a sentence each.

    The format is told by the ending, unless `format` names it. What was written is read back and compared before it
    appears in its place, whole or not at all; `force` lets it replace what is there. Raises BadInput.
    """
    text = str(path)
    if text.startswith("minari:"):
        from mooring.data.formats import minari

        name = text.removeprefix("minari:")
        path, data, format = minari.place(name), replace(data, name=name), "minari"
    path = Path(path).expanduser()
    chosen = formats.named(format) if format else formats.for_writing(path)
    if chosen.endings and path.suffix.lower() not in chosen.endings:
        raise BadInput(
            str(path), f"ends in {path.suffix or 'nothing'!r}", f"{' or '.join(chosen.endings)}, as {chosen.name}"
        )
    if path.exists() and not force:
        raise BadInput(
            str(path), "is there already", fix="choose another name, or replace it with --force (force=True)"
        )
    with landing(path) as part:
        chosen.write(data, part)
        return _lost(data, chosen, part)


def _lost(data: Dataset, chosen: formats.Format, path: Path) -> list[str]:
    try:
        return differences(data, chosen.read(path))
    except BadInput:  # a format that does not hold the bounds of actions can not be read without being told them
        back = chosen.read(path, action_space=data.action_space)
    unread = "the bounds of actions, without which it can not be read: give action_space"
    return [unread, *(each for each in differences(data, back) if each != "action_space")]


def differences(data: Dataset, back: Dataset) -> list[str]:
    """What differs between a data set and what was read back of it, in a few words each; names do not count."""
    found = _column_differences(data, back)
    for field in FIELDS:
        if field != "name" and getattr(data, field) != getattr(back, field):
            found.append(f"{field} ({_shown(getattr(data, field))})")
    return found + [name for name in SPACES if not same_space(getattr(data, name), getattr(back, name))]


def _column_differences(data: Dataset, back: Dataset) -> list[str]:
    found = []
    if data.num_episodes != back.num_episodes:
        text = f"{data.num_episodes} episodes, which became {back.num_episodes}"
        found.append(f"{text}: within them some next_obs are not the following obs")
    if len(data) != len(back):
        return [*found, f"{len(data)} rows, of which {len(back)} are left"]
    before, after = data.columns(), back.columns()
    for name, column in before.items():
        if name == "last" and found:
            continue
        if name not in after:
            found.append(f"the column {name}")
        elif (column.dtype, column.shape) != (after[name].dtype, after[name].shape):
            found.append(f"the form of {name}: {_form(column)} became {_form(after[name])}")
        elif not np.array_equal(column, after[name]):
            rows = (column != after[name]).reshape(len(column), -1).any(axis=1)
            found.append(f"{name}, which differs in {rows.sum()} rows, first row {rows.argmax()}")
    return found + [f"nothing of {name}, but it was added" for name in after if name not in before]


def same_space(ours: ObsSpace, theirs: ObsSpace) -> bool:
    """Whether two spaces allow the same."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(same_space(ours[part], theirs[part]) for part in ours)
    if isinstance(ours, Bounds) and isinstance(theirs, Bounds):
        return bool(np.array_equal(ours.low, theirs.low) and np.array_equal(ours.high, theirs.high))
    return type(ours) is type(theirs) and bool(ours == theirs)


def _form(column: np.ndarray) -> str:
    return f"{column.dtype}{list(column.shape[1:]) or ''}"


def _shown(value: object) -> str:
    text = str(value)
    return text if len(text) <= 40 else text[:37] + "..."
