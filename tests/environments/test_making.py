import sys

import gymnasium
import pytest

from mooring.environments.making import make, versions
from mooring.errors import BadInput

USER_FILE = """
import gymnasium
from mooring.environments.gymnasium_pointmass import PointmassEnv

def env():
    return gymnasium.wrappers.TimeLimit(PointmassEnv("easy"), 7)

def wrong():
    return "an environment"
"""


@pytest.mark.parametrize("env_id", ["CartPole-v1", "mooring/Pointmass-hard-v0", "mooring/Pointmass-easy-dense-v0"])
def test_makes_what_exists(env_id):
    with make(env_id) as env:
        obs, _ = env.reset(seed=0)
        assert obs in env.observation_space
        assert env.spec.id == env_id


def test_limit_of_steps_is_registered():
    assert make("mooring/Pointmass-medium-v0").spec.max_episode_steps == 150


@pytest.mark.parametrize("version", ["v4", "v5"])
def test_mujoco_without_advice_to_change_versions(version):
    pytest.importorskip("mujoco")
    pytest.importorskip("imageio")
    with make(f"Hopper-{version}") as env:
        assert env.spec.id == f"Hopper-{version}"


@pytest.mark.parametrize(
    ("env_id", "near"),
    [
        ("Hoper-v5", "Hopper-v5"),
        ("CartPole-v9", "CartPole-v"),
        ("mooring/Pointmass-meduim-v0", "mooring/Pointmass-medium-v0"),
        ("no such thing", "known: "),
    ],
)
def test_unknown_id(env_id, near):
    with pytest.raises(BadInput, match=near) as caught:
        make(env_id)
    assert str(caught.value).startswith(f"environment {env_id!r}: does not exist")


def test_missing_package_of_others():
    with pytest.raises(BadInput, match="no_such_package"):
        make("no_such_package:Env-v0")


def test_missing_gymnasium(monkeypatch):
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    with pytest.raises(BadInput, match=r"pip install 'mooring\[gym\]'"):
        make("CartPole-v1")


def test_missing_mujoco(monkeypatch):
    loaded = [
        name for name in sys.modules if name.split(".")[0] == "mujoco" or name.startswith("gymnasium.envs.mujoco")
    ]
    for name in loaded:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mujoco", None)
    with pytest.raises(BadInput, match=r"environment 'Hopper-v5': needs .*pip install 'mooring\[mujoco\]'"):
        make("Hopper-v5")


def test_user_file(tmp_path):
    (tmp_path / "my_env.py").write_text(USER_FILE)
    env = make(f"{tmp_path}/my_env.py:env")
    env.reset(seed=0)
    flags = [env.step(0)[2:4] for _ in range(7)]
    assert flags == [(False, False)] * 6 + [(False, True)]
    with pytest.raises(BadInput, match="returned a str; expected a gymnasium"):
        make(f"{tmp_path}/my_env.py:wrong")


def test_versions():
    found = versions()
    assert found["gymnasium"] == gymnasium.__version__
    assert set(found) <= {"gymnasium", "mujoco"}
