"""What every algorithm must pass, with each kind of actions that it is for."""

import pytest

from mooring import registry
from mooring.testing import check_algorithm, small_data
from small import small

LEARNS_TERMINAL_NEXT_OBS = {"rnd"}  # where an episode ended may be new too


def forms():
    """On every day one of each family with each kind of source and number of stages; `-m every` runs the others."""
    seen = set()
    for entry in registry.entries():
        for actions in entry.actions:
            algorithm = small(entry.name, actions)
            kind = entry.family, type(algorithm).source, len(algorithm.stages())
            marks = [pytest.mark.every] if kind in seen else []
            seen.add(kind)
            yield pytest.param(entry.name, actions, marks=marks, id=f"{entry.name}-{actions}")


@pytest.mark.parametrize(("name", "actions"), list(forms()))
def test_it_is_a_sound_algorithm(name, actions):
    learns = name in LEARNS_TERMINAL_NEXT_OBS
    check_algorithm(small(name, actions), small_data(actions), learns_terminal_next_obs=learns)
