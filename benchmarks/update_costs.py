"""What one update of every method asks of the machine, counted in its program: a guard that no noise can move.

    python benchmarks/update_costs.py [METHOD ...]     the counts, beside those of benchmarks/update_costs.json
    python benchmarks/update_costs.py write            makes the file anew, after a change that was meant

Counted are the floating-point operations, the bytes and the transcendental functions of an update at the paper's batch
and widths on Hopper's shapes, before the compiler's optimizations, sampling of the batch included. Nothing is run. A
second forward pass, a copy of a carried buffer or a loop that runs more often shows; how fast the operations are
does not (see `speed.py`). `tests/test_update_costs.py` fails where a count has grown by more than a quarter.
"""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from speed import made_up

from mooring import registry
from mooring.types import Algorithm, Spec

KNOWN = Path(__file__).with_suffix(".json")
COUNTED = {"flops": "operations", "bytes accessed": "bytes", "transcendentals": "transcendentals"}
MOST = 1.25


def costs(name: str, actions: Any) -> dict[str, int]:
    """The counts of one update."""
    data = made_up(actions, 2_000)
    spec = data.spec()
    algorithm = with_shapes(registry.load_class(registry.find(name, actions))(), spec)
    source, key = algorithm.source(data), jax.random.key(0)

    def update(algorithm: Algorithm, agent: Any, state: Any, key: Any, step: Any) -> Any:
        return algorithm.update(agent, source.sample(state, key, algorithm.batch_size), key, step)

    agent = jax.eval_shape(lambda algorithm: algorithm.init(key, spec), algorithm)
    state = jax.eval_shape(source.init, key)
    step = jax.ShapeDtypeStruct((), jnp.int32)
    counted = jax.jit(update).lower(algorithm, agent, state, key, step).cost_analysis()
    return {ours: int(counted.get(theirs, 0)) for theirs, ours in COUNTED.items()}


def with_shapes(algorithm: Algorithm, spec: Spec) -> Algorithm:
    """With the shapes of what its stages leave behind."""
    key = jax.random.key(0)
    for place in range(len(algorithm.stages())):
        field, trainer, _ = algorithm.stages()[place]
        left = jax.eval_shape(lambda trainer: trainer.result(trainer.init(key, spec)), trainer)
        algorithm = replace(algorithm, **{field: left})
    return algorithm


def grown(found: dict[str, int], known: dict[str, int]) -> dict[str, float]:
    """The counts that are more than `MOST` times the known ones, as ratios."""
    ratios = {name: found[name] / max(known[name], 1) for name in known}
    return {name: ratio for name, ratio in ratios.items() if ratio > MOST}


def methods() -> list[tuple[str, str]]:
    """Every method, and each kind of actions that it has a form for."""
    return sorted({(entry.name, actions) for entry in registry.entries() for actions in entry.actions})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="METHOD", help="or `write`")
    names = parser.parse_args().names
    known = json.loads(KNOWN.read_text()) if KNOWN.exists() else {}
    found = {}
    for name, actions in methods():
        if names in ([], ["write"]) or name in names:
            label = f"{name}, {actions}"
            found[label] = costs(name, actions)
            more = grown(found[label], known.get(label, found[label]))
            sys.stdout.write(f"{label:32} {found[label]['operations'] / 1e6:12,.1f} million operations {more or ''}\n")
            sys.stdout.flush()
    if names == ["write"]:
        KNOWN.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
