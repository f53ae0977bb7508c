import json
from dataclasses import dataclass

import numpy as np

from mooring.jsonable import jsonable


@dataclass(frozen=True)
class Bounds:
    low: float
    high: np.float64


def test_what_is_not_finite_is_null_at_every_depth():
    value = {
        "bounds": Bounds(-np.inf, np.float64(2.5)),
        "rows": np.array([[1.0, np.nan], [np.inf, 0.5]]),
        "parts": (1, "nan", True, None, [float("nan"), {"steps": np.array([3, 4])}]),
    }
    assert json.loads(json.dumps(jsonable(value))) == {
        "bounds": {"low": None, "high": 2.5},
        "rows": [[1.0, None], [None, 0.5]],
        "parts": [1, "nan", True, None, [None, {"steps": [3, 4]}]],
    }
