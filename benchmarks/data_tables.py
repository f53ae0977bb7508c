"""Seconds and peak memory of importing a table of a million shuffled rows, from each kind of file and library.

    python benchmarks/data_tables.py [--rows 1000000] [--rows-per-episode 2] [SOURCE ...]

Rows have an episode number, a time stamp, ten observations, one action, a reward and a flag. Each source is imported in
a process of its own; its figure is from the file or frame to the data set in memory, without imports and writing.
"""

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

SOURCES = ("parquet", "csv", "pandas", "polars")
ROLES = {
    "episode": "stay_id",
    "time": "charttime",
    "obs": "*_lab",
    "action": "dose",
    "reward": "outcome",
    "terminated": "discharged",
}


def made_up(rows: int, episodes: int) -> pd.DataFrame:
    draw = np.random.default_rng(0)
    episode = np.sort(draw.integers(0, episodes, rows))
    last = np.append(episode[1:] != episode[:-1], True)
    table = {"stay_id": episode, "charttime": pd.Timestamp("2026-01-01") + pd.to_timedelta(np.arange(rows), unit="min")}
    table |= {f"{number}_lab": draw.normal(size=rows) for number in range(10)}
    table |= {"dose": draw.uniform(size=rows), "outcome": draw.normal(size=rows), "discharged": last.astype(int)}
    return pd.DataFrame(table).sample(frac=1, random_state=0)


def measured(source: str, folder: Path) -> None:
    """Prints the seconds, the rows and the peak memory of one import."""
    import polars as pl

    from mooring.data import from_table

    path = folder / f"log.{source}"
    read = {"pandas": pd.read_parquet, "polars": pl.read_parquet}
    table = read[source](folder / "log.parquet") if source in read else path
    began = time.perf_counter()
    data = from_table(table, **ROLES)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{source:8} {seconds:6.1f} s  {peak:4.1f} GiB peak  {len(data):,} rows, {data.num_episodes:,} episodes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="*", metavar="SOURCE", help=f"of {', '.join(SOURCES)}; all without one")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rows-per-episode", type=int, default=2)
    parser.add_argument("--in", dest="folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.folder:
        return measured(options.sources[0], options.folder)
    with TemporaryDirectory() as folder:
        table = made_up(options.rows, options.rows // options.rows_per_episode)
        table.to_parquet(Path(folder) / "log.parquet", index=False)
        table.to_csv(Path(folder) / "log.csv", index=False)
        del table
        for source in options.sources or SOURCES:
            subprocess.run([sys.executable, __file__, source, "--in", folder], check=True)
    return None


if __name__ == "__main__":
    main()
