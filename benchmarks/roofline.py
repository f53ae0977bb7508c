"""What the operations of an update cost, by kind, and how near its matrix products come to what the machine can do.

    python benchmarks/roofline.py [--updates N] [METHOD ...]

Updates run at the paper's batch and widths on Hopper's shapes (see `speed.py`). First without a profiler, for their
rate: with the floating-point operations of the matrix products (`speed.products`) it gives their rate, which stands
beside that of a 256 x 256 x 256 product timed in the same run. Then under JAX's profiler, where the time of each
compiled operation is put down to the line of source that asked for it; the kinds are shares of their sum. For these pin
the command to one core (`taskset -c 0`): on several, products end on other threads than they begin on, and their
times are missed. "copies" are what the compiler adds to change a layout; "rest" are activations, losses and their
gradients.
"""

import argparse
import gzip
import json
import re
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
from speed import made_up, traced_products, updates_per_second

from mooring import loop, registry
from mooring.data import Dataset
from mooring.testing import with_stages
from mooring.types import Algorithm

METHODS = ("td3-bc", "iql", "cql", "sac-n", "edac", "dt")
KINDS = ("products", "optimizer", "random", "rows", "copies", "rest")
CHAIN = 50  # products in one program, so that the time of a call does not count


class Asked(NamedTuple):
    """Which source an instruction comes from: the operation's path in the program, and the files of its stack."""

    operation: str
    files: frozenset[str]


def times_of_kinds(algorithm: Algorithm, data: Dataset, updates: int) -> dict[str, float]:
    """The share of each kind of operation."""
    algorithms, source = loop.stack([algorithm]), algorithm.source(data)
    run = loop.start(algorithms, source, data.spec(), loop.keys_of([0]))
    program = loop.advance.lower(algorithms, source, run, jnp.int32(updates)).compile().as_text()
    run, _ = loop.advance(algorithms, source, run, 2)
    with tempfile.TemporaryDirectory() as folder:
        options = jax.profiler.ProfileOptions()
        options.host_tracer_level, options.python_tracer_level = 3, 0
        jax.profiler.start_trace(folder, create_perfetto_trace=True, profiler_options=options)
        run, _ = loop.advance(algorithms, source, run, updates)
        jax.block_until_ready(run.step)
        jax.profiler.stop_trace()
        (file,) = Path(folder).rglob("perfetto_trace.json.gz")
        events = json.loads(gzip.decompress(file.read_bytes()))["traceEvents"]
    asked, spent = instructions(program), Counter[str]()
    for event in events:
        if event.get("ph") == "X" and event["name"] in asked:
            spent[kind(event["name"], asked[event["name"]])] += event["dur"]
    return {name: spent[name] / spent.total() for name in KINDS}


def instructions(program: str) -> dict[str, Asked]:
    """Every instruction of a compiled program that is work by itself, and not one that runs others."""
    names = dict(re.findall(r'^(\d+) "(.+)"$', section(program, "FileNames"), re.M))
    locations = re.findall(r"^(\d+) {file_name_id=(\d+)", section(program, "FileLocations"), re.M)
    at = {place: names[name] for place, name in locations}
    stack = section(program, "StackFrames")
    frames = re.findall(r"^(\d+) {file_location_id=(\d+)(?: parent_frame_id=(\d+))?", stack, re.M)
    places, parents = {one: at[place] for one, place, _ in frames}, {one: parent for one, _, parent in frames}

    def files(frame: str) -> frozenset[str]:
        found = set()
        while frame in places:
            found.add(places[frame])
            frame = parents[frame] if parents[frame] != frame else ""
        return frozenset(found)

    asked = {}
    for line in program.splitlines():
        made = re.match(r"\s+(?:ROOT )?%([\w.-]+) = .*? (while|conditional|call|[\w-]+)\(", line)
        if made and made[2] not in ("while", "conditional", "call"):
            operation, frame = re.search(r'op_name="([^"]*)"', line), re.search(r"stack_frame_id=(\d+)", line)
            asked[made[1]] = Asked(operation[1] if operation else "", files(frame[1]) if frame else frozenset())
    return asked


def section(program: str, name: str) -> str:
    """The lines under a heading of the program's text, to the next empty one."""
    return program.partition(f"\n{name}\n")[2].partition("\n\n")[0]


def kind(instruction: str, asked: Asked) -> str:
    """Which of `KINDS` an instruction is."""
    if instruction.startswith(("dot", "ynn")):
        return "products"
    if any("/optax/" in file for file in asked.files) or asked.operation.endswith("/track"):
        return "optimizer"
    if re.search(r"random|_randint|_normal|_uniform|_gumbel|threefry|_bernoulli", asked.operation):
        return "random"
    if any("/sources/" in file for file in asked.files):
        return "rows"
    return "copies" if "copy" in instruction or "transpose" in instruction else "rest"


def small_product_rate() -> float:
    """Floating-point operations a second of 256 x 256 x 256 products, one after the other."""
    left, right = jnp.full((256, 256), 1e-3), jnp.eye(256)
    chain = jax.jit(lambda left: jax.lax.fori_loop(0, CHAIN, lambda _, x: x @ right, left))
    chain(left).block_until_ready()

    def once() -> float:
        began = time.perf_counter()
        chain(left).block_until_ready()
        return time.perf_counter() - began

    return 2 * 256**3 * CHAIN / min(once() for _ in range(30))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="*", default=METHODS)
    parser.add_argument("--updates", type=int, default=20, help="updates under the profiler")
    given = parser.parse_args()
    print(f"| method | updates/s | GFLOP | GFLOP/s | of the small product's | {' | '.join(KINDS)} |")
    print("|---" * (5 + len(KINDS)) + "|")
    sets = {actions: made_up(actions) for actions in ("continuous", "discrete")}
    for label in given.methods:
        name, _, form = label.partition(", ")
        (entry,) = [each for each in registry.entries() if each.name == name and (form or "continuous") in each.actions]
        data = sets[form or "continuous"]
        (algorithm,) = with_stages([registry.load_class(entry)()], data, 10)
        rate, _ = updates_per_second(algorithm, data, 1, 4)
        work = sum(2 * m * k * n * times for (m, k, n), times in traced_products(algorithm, data).items())
        peak, shares = small_product_rate(), times_of_kinds(algorithm, data, given.updates)
        cells = [label, f"{rate:,.0f}", f"{work / 1e9:.2f}", f"{rate * work / 1e9:,.0f}"]
        cells += [f"{rate * work / peak:.0%} of {peak / 1e9:.0f}", *(f"{shares[each]:.0%}" for each in KINDS)]
        print("| " + " | ".join(cells) + " |", flush=True)
        jax.clear_caches()


if __name__ == "__main__":
    main()
