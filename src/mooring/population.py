"""Which members a population has: every seed with every combination of the swept settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import product
from typing import Any, get_type_hints

from mooring.errors import BadInput, unknown
from mooring.types import Algorithm


@dataclass(frozen=True)
class Member:
    """One seed under one combination of swept settings."""

    seed: int
    settings: dict[str, float] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """As in "expectile-0.9,seed-2": a file name, and a curve's name."""
        return ",".join([f"{name}-{value:g}" for name, value in self.settings.items()] + [f"seed-{self.seed}"])


def members(seeds: int | Sequence[int] = 1, sweep: Mapping[str, Sequence[float]] | None = None) -> list[Member]:
    """All combinations, with the seeds varying fastest. `seeds=4` means 0, 1, 2, 3."""
    seeds = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    if not seeds or len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise BadInput("seeds", f"found {seeds}", "one seed or more, each once, none negative")
    sweep = sweep or {}
    for name, values in sweep.items():
        if not values or len(set(values)) < len(values):
            raise BadInput(f"sweep of {name}", f"found {list(values)}", "one value or more, each once")
    combinations = [dict(zip(sweep, values, strict=True)) for values in product(*sweep.values())]
    return [Member(seed, settings) for settings in combinations for seed in seeds]


def varied(algorithm: Algorithm, population: Sequence[Member]) -> list[Algorithm]:
    """Each member's algorithm: the one given, with the member's own settings. Raises BadInput where they do not fit."""
    hints = get_type_hints(type(algorithm))
    floats = {name for name, kind in hints.items() if kind in (float, float | None)}
    traced = [f.name for f in fields(algorithm) if f.name in floats and not f.metadata.get("static")]
    for name in population[0].settings:
        if name not in {f.name for f in fields(algorithm)}:
            raise unknown(f"setting of {algorithm.name}", name, [f.name for f in fields(algorithm)])
        if name not in traced:
            fix = f"make one run for each value; what can be swept: {', '.join(traced)}"
            raise BadInput(f"sweep of {name}", "it fixes a shape, a length or a branch", fix=fix)
    return [with_settings(algorithm, member.settings) for member in population]


def with_settings(algorithm: Algorithm, settings: Mapping[str, float]) -> Algorithm:
    """The algorithm with other values of some float settings."""
    values: dict[str, Any] = {name: float(value) for name, value in settings.items()}
    return replace(algorithm, **values)
