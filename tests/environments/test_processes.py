"""Environments in several processes against the same ones in this process."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from mooring import cores, types
from mooring.environments import processes
from mooring.environments.group import Failed, Group
from mooring.environments.making import make
from mooring.environments.processes import Processes, group_of
from mooring.errors import BadInput

USER_FILE = '''
import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete


class Counting(gymnasium.Env):
    """Shows all kinds of observations, and ends after 3 + (a draw from its seed) steps."""

    observation_space = Dict(view=Box(0, 255, (2, 2, 3), np.uint8), speed=Box(-9, 9, (2,)), place=Discrete(99))
    action_space = Box(-1.0, 1.0, (2,))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.length, self.time, self.sum = 3 + int(self.np_random.integers(5)), 0, 0.0
        return self._obs(), {}

    def step(self, action):
        if action[1] == 1:
            raise ValueError(f"out of fuel after {self.time} steps")
        if action[1] == -1:
            import os
            os._exit(3)
        assert action.dtype == np.float32
        self.time, self.sum = self.time + 1, self.sum + float(action[0])
        return self._obs(), self.sum / 3, self.time == self.length, False, {}

    def _obs(self):
        view = np.full((2, 2, 3), self.time, np.uint8)
        return {"view": view, "speed": np.array([self.sum, 1 / 3]), "place": self.time}


def env(): return gymnasium.wrappers.TimeLimit(Counting(), 5)


def only_in_the_first_process():
    import sys
    if "jax" not in sys.modules:
        raise RuntimeError("a license for one process")
    return Counting()
'''
COUNT = 5


@pytest.fixture
def reference(tmp_path):
    (tmp_path / "my_env.py").write_text(USER_FILE)
    return lambda name: f"{tmp_path}/my_env.py:{name}"


@pytest.fixture
def shared(reference):
    group = group_of(reference("env"), COUNT, processes=2)
    yield group
    group.close()


def pids(group):
    return [worker._process.pid for worker in group._workers]


def same(some, others):
    assert some.keys() == others.keys()
    for name, rows in some.items():
        assert rows.dtype == others[name].dtype
        np.testing.assert_array_equal(rows, others[name])


def test_steps_are_those_of_one_process_to_the_last_bit(reference, shared):
    alone, rng = group_of(reference("env"), COUNT), np.random.default_rng(0)
    assert isinstance(alone, Group)
    assert isinstance(shared, Processes)
    assert len(set(pids(shared))) == 2
    for seeds in ([0, 11, 9, 21, 3], [23, 24, 12, 36, 14]):
        same(shared.reset(seeds), alone.reset(seeds))
        alive, ends = np.ones(COUNT, bool), []
        while alive.any():
            action = rng.uniform(-0.9, 0.9, (COUNT, 2)).astype(np.float32)
            (obs, reward, ended), expected = shared.step(action, alive), alone.step(action, alive)
            same(obs, expected[0])
            np.testing.assert_array_equal(reward, expected[1])
            np.testing.assert_array_equal(ended, expected[2])
            assert (reward[~alive] == 0).all()
            ends.append(ended)
            alive &= ~ended
        assert len(ends) == 5  # the limit's
        assert np.any(ends[:-1])  # and some before
    alone.close()


def test_what_was_observed_stays_when_more_happens(shared):
    first = shared.reset(range(COUNT))
    shared.step(np.full((COUNT, 2), 0.5, np.float32), np.ones(COUNT, bool))
    assert (first["view"] == 0).all()


@pytest.mark.parametrize("index", [0, 2, 4])
def test_an_environment_that_fails_is_named_and_the_others_go_on(shared, index):
    shared.reset(range(COUNT))
    action = np.zeros((COUNT, 2), np.float32)
    action[index, 1] = 1
    with pytest.raises(Failed, match="ValueError: out of fuel after 0 steps") as caught:
        shared.step(action, np.ones(COUNT, bool))
    assert caught.value.index == index
    obs, *_ = (shared.reset(range(COUNT)), shared.step(action * 0, np.ones(COUNT, bool)))[1]
    assert (obs["place"] == 1).all()


def test_a_process_that_dies_is_told_and_closing_still_works(shared):
    shared.reset(range(COUNT))
    action = np.zeros((COUNT, 2), np.float32)
    action[-1, 1] = -1
    for _ in range(2):  # it stays so
        with pytest.raises(Failed, match="its process ended, with code 3") as caught:
            shared.step(action, np.ones(COUNT, bool))
        assert caught.value.index == 2


def test_a_process_that_is_killed(shared):
    os.kill(pids(shared)[0], signal.SIGKILL)
    with pytest.raises(Failed, match="code -9"):
        shared.reset(range(COUNT))


def test_closing_ends_the_processes(reference):
    group = group_of(reference("env"), COUNT, processes=9)
    assert len(pids(group)) == COUNT
    group.close()
    assert [worker._process.returncode for worker in group._workers] == [0] * COUNT


def test_an_environment_that_other_processes_can_not_make(reference):
    with pytest.raises(BadInput, match="in a process of its own: RuntimeError: a license for one process"):
        group_of(reference("only_in_the_first_process"), 4, processes=2)


def test_spaces_are_checked_before_processes_start(reference, monkeypatch):
    monkeypatch.setattr(processes, "Processes", None)
    spec = types.Spec(types.Discrete(3), types.Discrete(3), types.scalar(1.0), types.scalar(0.0), 5)
    with pytest.raises(BadInput, match="observations"):
        group_of(reference("env"), 4, spec, processes=2)


def test_a_command_shares_out_what_is_worth_it_and_a_program_nothing(monkeypatch):
    env_id, limit = "mooring/Pointmass-easy-v0", 50
    monkeypatch.setattr(cores, "available", lambda: 3)
    monkeypatch.setattr(cores, "_used", False)
    monkeypatch.setattr(processes, "WORTH", limit * 40)
    monkeypatch.setattr(processes, "Processes", lambda env_id, count, processes, layout: processes)
    assert isinstance(group_of(env_id, 40), Group)
    monkeypatch.setattr(cores, "_used", True)
    assert group_of(env_id, 40) == 3
    assert isinstance(group_of(env_id, 39), Group)
    monkeypatch.setattr(processes, "WORTH", 1)
    assert group_of(env_id, 8) == 2
    assert isinstance(group_of(env_id, 7), Group)
    assert isinstance(group_of(env_id, 40, made_by=lambda env_id: make(env_id)), Group)


def test_processes_do_not_need_jax():
    code = "import sys, mooring.environments.worker; sys.exit('jax' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
