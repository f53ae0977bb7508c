"""`Layout`: which column of a table is what, and what was chosen where that leaves a choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mooring.data.tables.actions import ACTION_TYPES, ActionBounds
from mooring.data.tables.missing import Missing
from mooring.data.tables.naming import Names, assigned
from mooring.errors import BadInput, unknown

REWARD_AT = ("row", "end")
Roles = Mapping[str, list[str]]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where columns are named, several may be named between commas or in a list, and by patterns such as "*_lab".

    A pattern passes over columns that another role names outright.

    - `obs`: numbers and booleans as they are; text as one entry for each of its values, 1 for the one that is there.
      `categorical` names further columns of observations or actions that are taken like text.
    - `action`, `action_type`, `bounds`: see `actions.actions`. Without bounds, a continuous action's are its range.
    - `reward`: several columns are added up. With `reward_at` "end" their values in an episode's last row count: its
      last kept row gets them, and the others 0.
    - `terminated`: the column (0 or 1) that is 1 in the last row of an episode after which the MDP ended; True where
      it ended so in every episode, False where it did in none. `truncated`: a column that ends episodes otherwise.
      The last row of an episode that did not terminate is left out, since nothing tells what followed.
    - `episode`, `time`: see `order.ordered`. Times are numbers, dates, timestamps, durations or ISO 8601 text.
    - `missing`: see the module `missing`. Nothing is filled unless it is asked for. Observations are needed in every
      row, other columns only in those that are kept.
    - `behavior_prob`: the probability (or density) with which the log's own policy took the action; its logarithm
      becomes the extra column action_log_prob. `mask`: one column (0 or 1) for each discrete action, in order;
      together they become the extra column action_mask (N, n). `extra`: further columns, kept by their names.
    - `step` and `discount`, where rows are not equally far apart: the length of a step, as a number in the units of
      `time`, or as "1h" or "30min" where times are dates; and the discount of one step, which must be the algorithm's
      too. A row that lies t >= 1 steps before the next gets continues = discount^(t - 1); the extra column "steps"
      keeps t.
    """

    obs: Names
    action: Names
    reward: Names
    terminated: str | bool
    truncated: str | None = None
    episode: str | None = None
    time: str | None = None
    extra: Names = ()
    categorical: Names = ()
    missing: Missing = "error"
    action_type: str = "auto"
    bounds: ActionBounds | None = None
    behavior_prob: str | None = None
    mask: Names = ()
    reward_at: str = "row"
    step: float | int | str | None = None
    discount: float | int | None = None

    def __post_init__(self) -> None:
        for field, choices in (("action_type", ACTION_TYPES), ("reward_at", REWARD_AT)):
            if getattr(self, field) not in choices:
                raise unknown(field, str(getattr(self, field)), choices)
        if self.step is not None or self.discount is not None:
            lacking = [field for field in ("time", "step", "discount") if getattr(self, field) is None]
            if lacking:
                raise BadInput("irregular time", f"{lacking[0]} is not given", "time, step and discount")
        if self.discount is not None and not 0 < self.discount <= 1:
            raise BadInput("discount", f"{self.discount:g}", "above 0 and at most 1")

    def roles(self, known: Sequence[str], where: str) -> Roles:
        """The columns in each role. Raises BadInput, with near names, for those that do not exist."""
        named: dict[str, Names] = {role: getattr(self, role) for role in ("obs", "action", "reward", "extra", "mask")}
        for role in ("terminated", "truncated", "episode", "time", "behavior_prob"):
            column = getattr(self, role)
            named[role] = [column] if isinstance(column, str) else []
        found = assigned(named, known, where)
        for role in ("obs", "action", "reward"):
            if not found[role]:
                raise BadInput(where, f"no column is named for {role}", "at least one")
        return found
