"""docs/peers.md and its plots, from the lines of benchmarks/peers.jsonl and nothing else."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from contenders.work import ACTIONS, CHOICES, HORIZON, OBS, ROWS, SETTINGS, STANDARDIZED

Line = dict[str, Any]
Cell = Callable[[dict[str, Any]], str]
ORDER = ("Mooring", "d3rlpy", "PyTorch, eager", "PyTorch, compiled", "JAX, one a call", "JAX, eight a call")
HEAD = f"""# Beside its peers

Written by `python benchmarks/peers.py write`, from what `python benchmarks/peers.py make` measured. Each contender is a
process of its own. It is started cold (no compiled program is kept from before), makes its first update, and then gets
stretches in turn with the others: Mooring, peer, peer, Mooring, ... A rate is the median over stretches, in updates per
second; the ratio beside it is Mooring's rate over the peer's in the same round, median and range over rounds. Above 1
Mooring is the faster one.

All train the same networks at the same batch size with the same optimizer, on the same {ROWS:,} rows of noise in the
shapes of Hopper ({OBS} observations, {ACTIONS} actions; {CHOICES} choices where actions are discrete), in episodes of
{HORIZON}. Settings are those of each method's publication, listed below; d3rlpy's are set to them.

- **Mooring**: the loop that `mooring train` runs, in chunks of 1,000 updates.
- **d3rlpy**: `fit` on an `MDPDataset`, without progress bar, log files, saving and evaluation. Where it is another
  variant it stays so: AWAC weighs by a softmax over the batch, CQL looks ahead by the mean action, BEAR (here after its
  warm-up) has SAC's entropy too.
- **PyTorch**: lean loops, written for this from the papers: rows are tensors, an ensemble is one batched product a
  layer, Adam is fused, nothing is logged. *Compiled* passes targets and losses, with their backward passes, through
  `torch.compile`. `python benchmarks/peers.py check` compares the losses of five updates with Mooring's, from the same
  weights, rows and noise.
- **JAX**: in the manner of the fastest public scripts: a jitted function of one update, or of eight in a scan, called
  from Python."""
SWEEPS = {  # title, label of the axis, and where on it a line's point lies
    "batch": ("TD3+BC by batch size", "Rows of a batch", lambda changes: changes["batch_size"]),
    "width": ("TD3+BC by width", "Units of each hidden layer", lambda changes: changes["hidden"][0]),
    "ensemble": ("SAC-N by ensemble size", "Critics", lambda changes: changes["critics"]),
    "seeds": ("TD3+BC by number of seeds", "Seeds", lambda changes: changes["seeds"]),
}


PINNED = "One process pinned to each core, rates added up: what a machine gives to somebody with several seeds."


def text(lines: Sequence[Line]) -> str:
    parts = [HEAD]
    per_core = {line["per_core"] for line in lines if line["experiment"] == "table"}
    if False in per_core:
        parts += ["## Updates per second", "One process, all cores:", table(lines, False, rate)]
    if True in per_core:
        parts += ["## Updates per second, a process on each core", PINNED, table(lines, True, rate)]
    if False in per_core:
        parts += [
            "## Seconds from the start of the process to the end of the first update",
            table(lines, False, lambda row: f"{row['first_update']:.1f}"),
            "## Most memory, in megabytes",
            table(lines, False, lambda row: f"{row['megabytes']:,}"),
        ]
    drawn = [name for name in SWEEPS if points(lines, name)]
    if drawn:
        note = "Seeds are members of one program in Mooring, one after another in PyTorch; rates are sums over seeds."
        parts += ["## As sizes grow", note, *(f"![{SWEEPS[name][0]}](peers/{name}.svg)" for name in drawn)]
        parts += [sweep_table(lines, name) for name in drawn]
    return "\n\n".join([*parts, "## Settings", settings(), *conditions(lines)]) + "\n"


def latest(lines: Sequence[Line], per_core: bool) -> dict[str, dict[str, Any]]:
    """Of each method, what each contender did when it was last measured."""
    found: dict[str, dict[str, Any]] = {}
    for line in lines:
        if line["experiment"] == "table" and line["per_core"] == per_core:
            found.setdefault(line["method"], {}).update({row["contender"]: row for row in line["results"]})
    return found


def table(lines: Sequence[Line], per_core: bool, cell: Cell) -> str:
    found = latest(lines, per_core)
    names = [name for name in ORDER if any(name in rows for rows in found.values())]
    body = [
        [method, *(cell(found[method][name]) if name in found[method] else "-" for name in names)]
        for method in SETTINGS
        if method in found
    ]
    return drawn_up([["method", *names], *body])


def rate(row: dict[str, Any]) -> str:
    """With the ratio, but for Mooring's own."""
    if row["contender"] == ORDER[0]:
        return number(row["rate"])
    low, high = row["ratio_range"]
    return f"{number(row['rate'])} ({row['ratio']:.2f}; {low:.2f} to {high:.2f})"


def number(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 20 else f"{rate:.1f}"


def drawn_up(rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]])


def points(lines: Sequence[Line], experiment: str) -> dict[str, dict[int, float]]:
    """Of each contender of a sweep, its rate by what was changed."""
    found: dict[str, dict[int, float]] = {}
    for line in lines:
        if line["experiment"] == experiment:
            for row in line["results"]:
                name = row["contender"] + (", a process a core" if line["per_core"] else "")
                found.setdefault(name, {})[SWEEPS[experiment][2](line["changes"])] = row["rate"]
    return found


def sweep_table(lines: Sequence[Line], experiment: str) -> str:
    title, label, _ = SWEEPS[experiment]
    found = points(lines, experiment)
    at = sorted({place for rates in found.values() for place in rates})
    rows = [[number(rates[place]) if place in rates else "-" for rates in found.values()] for place in at]
    body = [[f"{place:,}", *row] for place, row in zip(at, rows, strict=True)]
    return f"{title}, updates per second:\n\n" + drawn_up([[label.lower(), *found], *body])


def draw(lines: Sequence[Line], folder: Path) -> None:
    """One SVG for each sweep that was measured."""
    import matplotlib

    from mooring.report import plots

    for experiment in SWEEPS:
        if found := points(lines, experiment):
            folder.mkdir(parents=True, exist_ok=True)
            with matplotlib.rc_context({**plots.STYLE, "svg.fonttype": "none"}):
                plot(experiment, found).savefig(folder / f"{experiment}.svg", metadata={"Date": None})


def plot(experiment: str, found: dict[str, dict[int, float]]) -> Any:
    """A line for each contender; rates on a log axis where they differ much."""
    from matplotlib.ticker import LogLocator

    from mooring.report import plots

    title, label, _ = SWEEPS[experiment]
    figure, axes = plots.new_figure((7.4, 3.6), title)
    for color, (name, rates) in zip(plots.cycle(found), found.items(), strict=True):
        places = sorted(rates)
        axes.plot(places, [rates[place] for place in places], "o-", color=color, markersize=4, label=name)
    axes.set_xscale("log", base=2)
    axes.set_xticks(places, [f"{place:,}" for place in places])
    low, high = axes.get_ylim()
    if high > 10 * max(low, 1):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    else:
        axes.set_ylim(0)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    axes.minorticks_off()
    axes.set_xlabel(label)
    axes.set_ylabel("Updates per second")
    axes.grid(axis="y")
    plots.legend_beside(axes)
    return figure


def settings() -> str:
    listed = [", ".join(f"{name} {value}" for name, value in each.items()) for each in SETTINGS.values()]
    each = [f"- `{method}`: {values}" for method, values in zip(SETTINGS, listed, strict=True)]
    seen = " and ".join(f"`{name}`" for name in STANDARDIZED)
    return "\n".join(each) + f"\n\n{seen} see standardized observations."


def conditions(lines: Sequence[Line]) -> Iterator[str]:
    """When, on what, with which packages."""
    if not lines:
        return
    yield "## Conditions"
    yield "- measured: " + ", ".join(sorted({line["date"] for line in lines}))
    yield "- machine: " + "; ".join(sorted({line["machine"] for line in lines}))
    versions = {f"{name} {each}" for line in lines for row in line["results"] for name, each in row["versions"].items()}
    yield "- packages: " + ", ".join(sorted(versions))
    counts = {f"{len(row['rates'])} of {line['seconds']} s" for line in lines for row in line["results"]}
    yield "- stretches: " + ", ".join(sorted(counts))
