"""Seconds and peak memory to write, read and convert a million transitions in each format.

    python benchmarks/data_formats.py [--rows 1000000] [FORMAT ...]

Observations have 11 numbers and actions 3, as Hopper's; episodes have 1,000 steps, and all numbers are noise, which
compresses worst. Each figure is of a fresh process: seconds of processor time of the work, and the highest memory of
the whole process, of which `nothing` is what Python, NumPy, JAX and, to write, the data set itself take. To convert is
to read an npz, to write, to read back and to compare, as `mooring data convert` does.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NOTHING = "nothing"
SOURCE = "source.npz"


def made_up(rows: int):
    """Episodes of 1,000 steps of noise; each row's next observation is the following row's observation."""
    import numpy as np

    from mooring.data import Dataset

    draw = np.random.default_rng(0)
    obs = draw.normal(size=(rows + 1, 11)).astype(np.float32)
    action = np.tanh(draw.normal(size=(rows, 3))).astype(np.float32)
    truncated = np.arange(rows) % 1000 == 999
    reward = draw.normal(size=rows).astype(np.float32)
    return Dataset.build(obs[:-1], action, reward, np.zeros(rows, bool), truncated, next_obs=obs[1:])


def place(folder: Path, name: str) -> Path:
    from mooring.data import formats

    endings = formats.named(name).endings
    return folder / f"{name}{endings[0] if endings else ''}"


def measured(step: str, name: str, folder: Path, rows: int) -> dict[str, float]:
    """Does one step in this process."""
    from mooring.data import formats, load, save
    from mooring.data.dataset import Dataset  # which imports JAX

    data: Dataset | None = made_up(rows) if step == "write" else None
    began = time.process_time()
    if name != NOTHING and step == "write":
        formats.named(name).write(data, place(folder, name))
    elif name != NOTHING and step == "read":
        load(place(folder, name))
    elif name != NOTHING:
        save(load(folder / SOURCE), place(folder / "converted", name), name)
    seconds = time.process_time() - began
    return {"seconds": seconds, "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def in_fresh_process(step: str, name: str, folder: Path, rows: int) -> dict[str, float]:
    words = [sys.executable, __file__, "--rows", str(rows), "--step", step, "--folder", str(folder), name]
    return json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)


def size(path: Path) -> float:
    """Megabytes on the disk."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("formats", nargs="*", metavar="FORMAT")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--step", choices=("write", "read", "convert"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        print(json.dumps(measured(options.step, options.formats[0], options.folder, options.rows)))
        return
    from mooring.data.formats import FORMATS

    names = options.formats or [each.name for each in FORMATS if each.writes]
    print(f"{options.rows:,} rows; {platform.processor() or platform.machine()}, {os.cpu_count()} cores")
    print("| format | MB on disk | write s | MB | read s | MB | convert s | MB |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        in_fresh_process("write", "npz", work, options.rows)
        (work / "npz.npz").rename(work / SOURCE)
        for name in [NOTHING, *names]:
            cells = [in_fresh_process(step, name, work, options.rows) for step in ("write", "read", "convert")]
            figures = " | ".join(f"{cell['seconds']:.1f} | {cell['megabytes']:.0f}" for cell in cells)
            print(f"| {name} | {'' if name == NOTHING else f'{size(place(work, name)):.0f}'} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
