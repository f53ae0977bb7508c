"""Folders of runs, written without training anything."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

STEPS = (1000, 2000, 3000)


def write_run(
    folder: Path,
    algorithm: str = "iql",
    scores: Any = ((1.0, 2.0), (10.0, 12.0), (30.0, 34.0)),
    *,
    data: str = "pointmass-easy",
    fingerprint: str = "f" * 64,
    env: str | None = "mooring/Pointmass-easy-v0",
    settings: dict[str, Any] | None = None,
    swept: tuple[dict[str, float], ...] = ({},),
    seeds: tuple[int, int] = (0, 1),
    evaluated: bool = True,
    more: Sequence[dict[str, Any]] = (),
    **further: Any,
) -> Path:
    """A run whose evaluations, at STEPS, have these scores (steps, members), for 2 seeds of each sweep.

    `more` rows follow those; `further` takes the place of parts of the configuration.
    """
    folder.mkdir(parents=True)
    values = np.tile(np.array(scores, float), len(swept))
    config = {
        "algorithm": {"reference": algorithm, "class": "IQL", "settings": {"expectile": 0.7} | (settings or {})},
        "data": {
            "name": data,
            "fingerprint": fingerprint,
            "env": env,
            "score_range": [0, 100],
            "reward_scale": 1.0,
            "reward_shift": 0.0,
            "rows": 9,
            "episodes": 3,
        },
        "origin": data,
        "members": [{"seed": seed, "settings": own} for own in swept for seed in seeds],
        "evaluate": {"env": env, "every": 1000, "episodes": 4},
        "steps": 3000,
        "versions": {"python": "3.11.7"},
        "command": ["/some/where/mooring", "train", algorithm, data],
    } | further
    (folder / "config.json").write_text(json.dumps(config))
    rows = []
    for step, row in zip(STEPS, values, strict=True):
        q = (row / 10).tolist()
        rows.append({"stage": "main", "step": step, "kind": "train", "q": q, "critic_loss": [0.1] * len(q)})
        if evaluated:
            rows.append(
                {"stage": "main", "step": step, "kind": "evaluate", "return": row.tolist(), "score": row.tolist()}
            )
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [*rows, *more]))
    return folder
