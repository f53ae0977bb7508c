"""What observations and actions are, on the NumPy side: `Bounds` of a float vector, and the shared words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32

from mooring.errors import BadInput
from mooring.types import Discrete, Image

Numbers = np.ndarray | Sequence[Any] | float | int

__all__ = ["ActionSpace", "Bounds", "DataSpace", "Discrete", "Image", "ObsSpace", "actions_of", "observations_of"]


@dataclass(frozen=True, eq=False)
class Bounds:
    """The lowest and the highest value of each entry of a float vector (D,); infinite where unknown."""

    low: Float32[np.ndarray, " D"]
    high: Float32[np.ndarray, " D"]

    @classmethod
    def of(cls, low: Numbers, high: Numbers, size: int) -> Bounds:
        """Bounds of `size` entries from vectors, or from numbers that hold for every entry."""
        try:
            lows, highs = (np.broadcast_to(np.asarray(bound, np.float32), (size,)) for bound in (low, high))
        except ValueError as error:
            raise BadInput("bounds", f"low and high do not fit {size} entries") from error
        if not (lows < highs).all():
            raise BadInput("bounds", f"low {lows.tolist()}, high {highs.tolist()}", "each low below its high")
        return cls(lows.copy(), highs.copy())

    @classmethod
    def unknown(cls, size: int) -> Bounds:
        """Infinite bounds."""
        return cls.of(-np.inf, np.inf, size)

    @property
    def finite(self) -> bool:
        return bool(np.isfinite(self.low).all() and np.isfinite(self.high).all())


DataSpace = Bounds | Discrete | Image
ObsSpace = DataSpace | dict[str, DataSpace]
ActionSpace = Bounds | Discrete


def observations_of(space: Any) -> ObsSpace | None:
    """A Gymnasium space of observations in our words; None where the data themselves have to tell."""
    if isinstance(getattr(space, "spaces", None), Mapping):
        return {name: known for name, part in space.spaces.items() if (known := _of_gymnasium(part)) is not None}
    return _of_gymnasium(space)


def actions_of(space: Any) -> ActionSpace | None:
    """A Gymnasium space of actions in our words; None where the data themselves have to tell."""
    known = _of_gymnasium(space)
    return None if isinstance(known, Image) else known


def _of_gymnasium(space: Any) -> DataSpace | None:
    if hasattr(space, "n"):
        return Discrete(int(space.n))
    if hasattr(space, "low") and len(space.shape) == 1:
        return Bounds.of(space.low, space.high, space.shape[0])
    if getattr(space, "dtype", None) == np.uint8 and len(space.shape) == 3:
        return Image(tuple(space.shape))
    return None
