"""`mooring show RUN`: what a run's folder holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mooring.cli.alarms import write_alarms
from mooring.cli.output import write_json, write_table
from mooring.cli.parsing import Parser, shown
from mooring.cli.scores import write_cast_off, write_last_scores

if TYPE_CHECKING:
    from mooring.runs import RunFolder


def run(words: Sequence[str]) -> int:
    parser = Parser("mooring show", description="Shows what was asked for in a run, how far it is, and its scores.")
    parser.add_argument("run", metavar="RUN", help="the folder of a run")
    parser.add_argument("--json", action="store_true", help="print the configuration and the last rows as JSON")
    options = parser.read(words)

    from mooring.runs import RunFolder

    folder = RunFolder(Path(options.run))
    config, rows = folder.config(), folder.rows()
    if options.json:
        write_json({"config": config, "last": _last(rows), "files": _files(folder)})
        return 0
    progress = [("progress", _progress(config, rows)), ("best evaluation", _best(rows))]
    write_table(("what", "value"), [*_asked(config), *progress])
    write_last_scores(config["members"], rows)
    write_alarms(config["members"], rows)
    if "online" in config:
        write_cast_off(rows, config["online"])
    write_table(("file", "bytes>"), [(name, f"{size:,}") for name, size in _files(folder).items()])
    return 0


def _asked(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    algorithm, data = config["algorithm"], config["data"]
    members = [
        " ".join([*(f"{name} {value:g}" for name, value in member["settings"].items()), f"seed {member['seed']}"])
        for member in config["members"]
    ]
    return [
        ("algorithm", algorithm["reference"]),
        ("settings", ", ".join(f"{name} {_setting(value)}" for name, value in algorithm["settings"].items())),
        ("members", "; ".join(members)),
        ("data", f"{data['name']}: {data['rows']:,} rows, {data['episodes']:,} episodes"),
        ("fingerprint", data["fingerprint"]),
        ("versions", ", ".join(f"{name} {version}" for name, version in config["versions"].items())),
    ]


def _setting(value: Any) -> str:
    return shown(tuple(value) if isinstance(value, list) else value)


def _progress(config: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    trained = [row for row in rows if row["kind"] == "train"]
    if not trained:
        return "nothing has been trained yet"
    last = trained[-1]
    if last["stage"] != "main":
        return f"{last['step']:,} updates of the stage {last['stage']}"
    return f"{last['step']:,} of {config['steps']:,} updates"


def _best(rows: Sequence[Mapping[str, Any]]) -> str:
    """The evaluation with the highest mean over members: luckier than what a policy picked by it will get."""
    means = {
        row["step"]: sum(row.get("score", row["return"])) / len(row["return"])
        for row in rows
        if row["kind"] == "evaluate"
    }
    finite = {step: value for step, value in means.items() if isfinite(value)}
    if not finite:
        return "none"
    step = max(finite, key=lambda step: finite[step])
    kind = "score" if any("score" in row for row in rows) else "return"
    return f"{kind} {finite[step]:.1f} after {step:,} updates, the highest of {len(means)}"


def _last(rows: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The last row of each kind."""
    return {row["kind"]: row for row in rows}


def _files(folder: RunFolder) -> dict[str, int]:
    """The files of a run and their sizes in bytes."""
    files = sorted(path for path in folder.path.rglob("*") if path.is_file())
    return {str(path.relative_to(folder.path)): path.stat().st_size for path in files}
