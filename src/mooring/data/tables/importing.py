"""`from_table`: a table of anyone's, one row per step, as a data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from operator import index
from pathlib import Path
from typing import Any

import numpy as np

from mooring.data.columns import shifted
from mooring.data.dataset import Dataset
from mooring.data.spaces import Discrete
from mooring.data.tables.actions import Actions, Place, actions
from mooring.data.tables.layout import Layout, Roles
from mooring.data.tables.log import Log, Say
from mooring.data.tables.missing import Rules
from mooring.data.tables.naming import expanded
from mooring.data.tables.order import Order, ordered, steps_between
from mooring.data.tables.reading import joined, opened
from mooring.data.tables.values import column, numeric
from mooring.errors import BadInput, unknown

KEPT_ROLES = ("action", "extra", "mask", "behavior_prob")
META = ("name", "env", "score_range", "horizon")


def from_table(table: Any, *, say: Say = lambda _: None, **options: Any) -> Dataset:
    """A data set from a table with one row for each step: what was seen, then done, and the reward that it brought.

    `table` is a pandas, Polars or Arrow table, a dict of columns, or one or several paths (or glob patterns) of CSV,
    TSV or Parquet files, which are one table together. `options` are the fields of `tables.layout.Layout`, which say
    what each column is (obs, action, reward and terminated have to be given), and name, env, score_range and horizon.
    `say` is called with each thing that was decided, in one sentence. The labels of the data set keep the names of
    observations and actions.

    Raises BadInput that names the file, the column and the row (counted from 0) of the first thing that is wrong.
    """
    layout_fields = [field.name for field in fields(Layout)]
    for name in options:
        if name not in (*layout_fields, *META):
            raise unknown("option of from_table", name, [*layout_fields, *META])
    layout = Layout(**{name: value for name, value in options.items() if name in layout_fields})
    log, roles = _log(table, layout, say)
    features, labels = log.features(roles["obs"])
    order, where = log.order, log.order.table.name
    kept = shifted({"obs": features, **_columns(log, layout, roles)}, where)
    _say_rows(order, kept["row"], say)
    if layout.step is None:
        _say_gaps(order, say)
    place = lambda row: order.place(kept["row"][index(row)])
    taken = [log.columns[name]._replace(values=kept["other"][name]) for name in roles["action"]]
    chosen = actions(taken, layout.action_type, layout.bounds, where, place)
    chosen, extra = _extra(kept, roles, chosen, place)
    say(chosen.decided)
    return Dataset.build(
        **{name: kept[name] for name in ("obs", "next_obs", "reward", "terminated", "truncated")},
        continues=kept.get("continues"),
        action=chosen.values,
        action_space=chosen.space,
        extra=extra,
        labels={"obs": labels} | ({"action": chosen.labels} if chosen.labels else {}),
        where=where,
        **{"name": Path(where).stem} | {name: value for name, value in options.items() if name in META},
    )


def _log(table: Any, layout: Layout, say: Say) -> tuple[Log, Roles]:
    """The columns in order, without the episodes that a rule leaves out, and what each column is for."""
    parts = opened(table)
    known, where = parts[0].columns, parts[0].name
    roles = layout.roles(known, where)
    rules = Rules.of(layout.missing, known, roles["obs"], where)
    as_text = expanded(layout.categorical, [*roles["obs"], *roles["action"]], where)
    rows = joined(parts, sorted({name for names in roles.values() for name in names}))
    order = ordered(rows, layout.episode, layout.time, layout.terminated, layout.truncated, rules)
    columns = {name: column(rows, name, name in as_text) for name in _named(roles, "obs", "action", "extra")}
    columns |= {name: numeric(rows, name) for name in _named(roles, "reward", "mask", "behavior_prob")}
    log = Log(order, columns, rules, say)
    return log.without_spoiled_episodes(roles["obs"], _named(roles, "reward", *KEPT_ROLES)), roles


def _named(roles: Roles, *which: str) -> list[str]:
    return [name for role in which for name in roles[role]]


def _columns(log: Log, layout: Layout, roles: Roles) -> dict[str, Any]:
    """All but observations, for every row of the order."""
    order = log.order
    columns = {
        "reward": _rewards(log, layout, roles),
        "terminated": order.terminated,
        "truncated": order.last & ~order.terminated,
        "other": {name: log.other(name, order.counted) for name in _named(roles, *KEPT_ROLES)},
        "row": np.arange(len(order.rows)),
    }
    if layout.step is not None and layout.discount is not None:
        columns["steps"] = steps_between(order, layout.step, str(layout.time))
        columns["continues"] = np.maximum(layout.discount ** (columns["steps"] - 1), np.finfo(np.float32).tiny)
    return columns


def _rewards(log: Log, layout: Layout, roles: Roles) -> np.ndarray:
    """The sum of the reward columns; at the end: that of each episode's last row, brought by the last kept one."""
    order, at_end = log.order, layout.reward_at == "end"
    needed = order.last if at_end else order.counted
    total = np.sum([log.other(name, needed) for name in roles["reward"]], axis=0)
    if not at_end:
        return total
    ends = np.flatnonzero(order.last)
    earned = np.zeros(len(order.rows))
    earned[np.where(order.counted[ends], ends, np.maximum(ends - 1, order.first[ends]))] = total[ends]
    return earned


def _extra(
    kept: Mapping[str, Any], roles: Roles, chosen: Actions, place: Place
) -> tuple[Actions, dict[str, np.ndarray]]:
    """The extra columns, and the actions, of which a mask tells how many there are."""
    extra = {name: kept["other"][name] for name in roles["extra"]}
    if "steps" in kept:
        extra["steps"] = kept["steps"]
    for name in roles["behavior_prob"]:
        extra["action_log_prob"] = _log_prob(kept["other"][name], name, isinstance(chosen.space, Discrete), place)
    if roles["mask"]:
        chosen = _with_choices(chosen, roles["mask"], place)
        extra["action_mask"] = _mask(kept["other"], roles["mask"], chosen, place)
    return chosen, extra


def _log_prob(prob: np.ndarray, name: str, discrete: bool, place: Place) -> np.ndarray:
    bad = np.flatnonzero((prob <= 0) | (discrete & (prob > 1)))
    if len(bad):
        found = f"column {name} is {prob[bad[0]]:g} ({len(bad):,} such rows)"
        raise BadInput(place(bad[0]), found, "a probability above 0" + " and at most 1" * discrete)
    return np.log(prob)


def _with_choices(chosen: Actions, mask: list[str], place: Place) -> Actions:
    """As many actions as the mask has columns; more than occur may be where actions are the table's own numbers."""
    space = chosen.space
    if not isinstance(space, Discrete):
        raise BadInput(place(0), "a mask was given, but the actions are continuous", "discrete actions")
    if len(mask) == space.n:
        return chosen
    if chosen.labels or len(mask) < space.n:
        found = f"the mask has {len(mask)} columns ({', '.join(mask[:8])}) for {space.n} actions"
        raise BadInput(place(0), found, "one for each action, in order")
    return chosen._replace(space=Discrete(len(mask)), decided=f"{len(mask)} discrete actions, as many as mask columns")


def _mask(columns: Mapping[str, np.ndarray], names: list[str], chosen: Actions, place: Place) -> np.ndarray:
    values = np.stack([columns[name] for name in names], axis=1)
    odd = np.argwhere((values != 0) & (values != 1))
    if len(odd):
        row, entry = odd[0]
        raise BadInput(place(row), f"column {names[entry]} is {values[row, entry]:g}", "0 or 1")
    allowed = values == 1
    bad = np.flatnonzero(~allowed[np.arange(len(allowed)), chosen.values])
    if len(bad):
        name = names[chosen.values[bad[0]]]
        found = f"action {chosen.values[bad[0]]} was taken where {name} is 0 ({len(bad):,} such rows)"
        raise BadInput(place(bad[0]), found, "1 for the action that was taken")
    return allowed


def _say_rows(order: Order, kept: np.ndarray, say: Say) -> None:
    episodes, terminated = int(order.last.sum()), int(order.terminated.sum())
    say(f"{len(order.table):,} rows, {episodes:,} episodes of which {terminated:,} terminated")
    if len(kept) < len(order.rows):
        say(f"left out {len(order.rows) - len(kept):,} last rows: nothing tells what followed them")


def _say_gaps(order: Order, say: Say) -> None:
    """Where rows are not equally far apart, though each is taken for one step."""
    if order.times is None or order.last.all():
        return
    gaps = np.diff(order.times.values)[~order.last[:-1]] / (order.times.per_second or 1)
    low, high, unit = gaps.min(), gaps.max(), " s" if order.times.per_second else ""
    if high > low * (1 + 1e-6):
        say(f"rows lie {low:g} to {high:g}{unit} apart, and each is one step: step and discount would tell them apart")
