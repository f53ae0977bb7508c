"""`mooring data collect`: what it writes, and what it refuses before it begins."""

import numpy as np
import pytest

from mooring.data import load
from mooring.testing import quick_compilation

EASY = "mooring/Pointmass-easy-v0"
SHORT = ("--train-steps", 300, "--warm-up", 100, "--evaluate-every", 100, "--episodes", 2, "--num-envs", 5)


def test_random_actions_and_their_map(mooring, tmp_path):
    made = mooring(
        "data", "collect", EASY, "--steps", 205, "--num-envs", 4, "-o", "made/random.npz", "--map", "where.png"
    )
    assert made.code == 0, made.err
    assert "205" in made.out
    data = load(tmp_path / "made" / "random.npz")
    assert (len(data), data.name, data.env, data.horizon) == (205, f"{EASY}-random", EASY, 50)
    assert data.score_range == (-49.85, -15.20)
    assert "action_log_prob" in data.extra
    assert (tmp_path / "where.png").stat().st_size > 5000
    again = mooring("data", "collect", EASY, "--steps", 205, "--num-envs", 4, "-o", "again.npz", "-q")
    assert (again.code, again.out, again.err) == (0, "", "")
    assert load(tmp_path / "again.npz").fingerprint() == data.fingerprint()


def test_what_explores_logs_all_of_its_life(mooring, tmp_path):
    with quick_compilation():
        made = mooring("data", "collect", EASY, "--policy", "rnd", "--steps", 300, *SHORT[4:], "-o", "rnd.npz")
    assert made.code == 0, made.err
    data = load(tmp_path / "rnd.npz")
    assert (len(data), data.name) == (300, f"{EASY}-full-replay")
    np.testing.assert_allclose(data.extra["action_log_prob"][:30], np.log(0.2), rtol=1e-6)
    file = next((tmp_path / "rnd.run" / "policies").iterdir())
    acted = mooring("data", "collect", EASY, "--policy", file, "--steps", 60, "-o", "acted.npz")
    assert acted.code == 0, acted.err
    assert len(load(tmp_path / "acted.npz")) == 60
    unfit = mooring("data", "collect", "CartPole-v1", "--policy", file, "-o", "cart.npz")
    assert unfit.code == 2
    assert "as in the data" in unfit.err


def test_an_interrupted_command_says_how_to_go_on_and_does(mooring, tmp_path, monkeypatch):
    words = ("data", "collect", EASY, "--policy", "double-dqn", "--level", "full-replay", *SHORT, "-o", "life.npz")
    with quick_compilation():
        with monkeypatch.context() as patched:
            patched.setattr("mooring.hooks.keep.KeepPolicies.__call__", _interrupt)
            cut = mooring(*words)
        assert cut.code == 130
        assert "go on with: mooring data collect" in cut.err
        assert cut.err.strip().endswith("--resume")
        assert not (tmp_path / "life.npz").exists()
        assert "holds a run already" in mooring(*words).err
        assert mooring(*words, "--resume").code == 0
    assert len(load(tmp_path / "life.npz")) == 300


def _interrupt(*_):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ((), "the following arguments are required: ENV"),
        ((EASY,), "-o"),
        (("mooring/Pointmass-eazy-v0", "-o", "a.npz"), "did you mean mooring/Pointmass-easy-v0"),
        ((EASY, "-o", "a.npz", "--policy", "sacc"), "did you mean sac"),
        ((EASY, "-o", "a.npz", "--policy", "none.safetensors"), "no such file"),
        ((EASY, "-o", "a.npz", "--policy", "sac"), "takes continuous actions"),
        ((EASY, "-o", "a.npz", "--steps", "0"), "--steps"),
        ((EASY, "-o", "a.npz", "--level", "medium"), "random does not learn"),
        ((EASY, "-o", "a.npz", "--policy", "dqn", "--level", "best"), "--level"),
        ((EASY, "-o", "a.npz", "--policy", "rnd", "--level", "medium"), "rnd explores"),
        ((EASY, "-o", "a.xyz"), "names no format"),
        ((EASY, "-o", "there.npz"), "exists"),
        (("CartPole-v1", "-o", "a.npz", "--map", "a.png"), "no pointmass maze"),
        ((EASY, "-o", "a", "--policy", "dqn", "--level", "all", "--map", "a.png"), "several sets"),
        ((EASY, "-o", "a.npz", "--policy", "dqn", "--train-steps", "1"), "more than the 1 random"),
    ],
)
def test_bad_input_is_one_line(mooring, tmp_path, words, complaint):
    (tmp_path / "there.npz").touch()
    said = mooring("data", "collect", *words)
    assert said.code == 2
    assert complaint in said.err
    assert said.err.count("\n") == 1
