"""The examples of real domains, as their files give them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mooring.user_files import load_object

EXAMPLES = Path(__file__).parents[3] / "examples" / "domains"


@pytest.fixture
def example() -> Callable[[str], Any]:
    """What an example's file calls by a name: `example("open_bandit.py:main")`."""
    return lambda reference: load_object(str(EXAMPLES / reference))
