"""Casting off: what goes on is what was trained, nothing that was lived is lost, and a killed voyage goes on."""

import json
import math
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file

from mooring.algorithms.online.sac import SAC
from mooring.algorithms.policy_constraint.rebrac import ReBRAC
from mooring.algorithms.policy_constraint.spot import SPOT
from mooring.algorithms.policy_constraint.td3_bc import TD3BC
from mooring.cli import main
from mooring.data import save_npz
from mooring.errors import BadInput
from mooring.evaluation.cast_off import CastOff
from mooring.finetuning import Plan, finetune
from mooring.hooks import Hook
from mooring.runs import RunFolder
from mooring.testing import best_value, policy_value, quick_compilation, small_data
from mooring.training import reopen, train
from mooring.wrappers.stacked import Stacked

SMALL = f"{Path(__file__).with_name('small_env.py')}:make"
TINY = TD3BC(hidden=(16, 16), batch_size=16)
VOYAGE = {"warm_up": 50, "evaluate_every": 100, "episodes": 2, "envs": 2, "noise": 0.1}


@pytest.fixture(scope="module", autouse=True)
def quick():
    with quick_compilation():
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    file = tmp_path_factory.mktemp("data") / "small.npz"
    save_npz(small_data("continuous", episodes=20), file)
    return file


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    train(TINY, data, 120, seeds=2, sweep={"alpha": [1.0, 4.0]}, folder=folder)
    return folder


def same(one, other):
    numbers = lambda leaf: jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(numbers(a), numbers(b))


def lived(trained):
    """The rows of each member's buffer."""
    _, state = trained.run.source
    return jax.tree.map(lambda leaf: np.asarray(leaf)[:, : int(state.count[0])], state.rows)


class Kill(Hook):
    """Ends a training as Ctrl-C does, at a step."""

    every = 50

    def __init__(self, step):
        self.step = step

    def __call__(self, session):
        if session.step >= self.step:
            raise KeyboardInterrupt


def test_it_begins_with_the_policies_that_were_trained(run):
    before = reopen(run, small_data("continuous", episodes=20))
    after = finetune(run, 101, env=SMALL, **VOYAGE | {"evaluate_every": 50})
    first, last = (row for row in after.rows if row["kind"] == "evaluate" and row["step"] in (120, 220))
    assert first["step"] == 120
    assert after.members == before.members
    assert int(after.run.step) == 120 + 2 * 50
    assert not np.array_equal(first["return"], last["return"])
    np.testing.assert_array_equal(after.algorithms.alpha, [1, 1, 4, 4])


def test_the_buffer_holds_all_that_was_lived_and_half_of_each_batch_is_from_it(run):
    trained = finetune(run, 250, env=SMALL, **VOYAGE)
    rows = lived(trained)
    assert rows.reward.shape == (4, 250)
    reward = -np.mean(np.abs(rows.next_obs), axis=2)
    np.testing.assert_allclose(rows.reward, reward, rtol=1e-5)
    for place in range(2):
        stream = jax.tree.map(lambda leaf: leaf[:, place::2], rows)  # noqa: B023
        goes_on = ~stream.extra["last"][:, :-1]
        np.testing.assert_array_equal(stream.next_obs[:, :-1][goes_on], stream.obs[:, 1:][goes_on])
    source = replace_source(trained, run)
    batch = source.sample(jax.tree.map(lambda leaf: leaf[0], trained.run.source), jax.random.key(0), 16)
    assert set(batch.extra) == set()
    known = {row.tobytes() for row in np.concatenate([rows.obs[0], rows.action[0]], axis=1)}
    in_buffer = [row.tobytes() in known for row in np.concatenate([batch.obs, batch.action], axis=1)]
    assert in_buffer == [False] * 8 + [True] * 8


def replace_source(trained, run):
    """The source as `finetune` made it."""
    from mooring.finetuning import _source, plan_of

    plan = Plan(SMALL, 250, **VOYAGE)
    assert plan_of({"more": 1, **vars(plan)}) == plan
    return _source(TINY, small_data("continuous", episodes=20), plan)


def test_a_killed_voyage_ends_where_the_unbroken_one_ends(run, tmp_path):
    settings = {"env": SMALL, "save_every": 100, "anneal": {"alpha": 0.5}, **VOYAGE}
    unbroken = finetune(run, 450, **settings)
    with pytest.raises(KeyboardInterrupt):
        finetune(run, 450, folder=tmp_path / "on", hooks=[Kill(330)], **settings)
    assert RunFolder(tmp_path / "on").saved_step() == 320
    resumed = finetune(run, 450, folder=tmp_path / "on", resume=True, **settings)
    same(resumed.run, unbroken.run)
    np.testing.assert_equal(resumed.rows, unbroken.rows)
    np.testing.assert_allclose(resumed.algorithms.alpha, 0.5)
    with pytest.raises(BadInput, match=r"config.json: online"):
        finetune(run, 500, folder=tmp_path / "on", resume=True, **settings)


@pytest.mark.parametrize(
    ("env", "trouble"), [("failing", "the motor is hot"), ("hanging", r"TimeoutError: no answer within 0\.5 s")]
)
def test_what_was_lived_is_kept_where_the_environment_fails(run, tmp_path, env, trouble):
    broken, settings = SMALL.replace(":make", f":{env}"), VOYAGE | {"envs": 1, "patience": 0.5}
    with pytest.raises(BadInput, match=rf"episode \d+ of environment 0 of member 0, step 333: {trouble}|.*{trouble}"):
        finetune(run, 450, env=broken, folder=tmp_path, **settings)
    assert RunFolder(tmp_path).saved_step() == 120 + 300
    saved = load_file(RunFolder(tmp_path).checkpoint_file())
    assert [332] * 4 in [leaf.tolist() for name, leaf in saved.items() if "count" in name]


def test_the_log_may_lie_in_the_buffer(run):
    trained = finetune(run, 150, env=SMALL, **VOYAGE | {"offline_share": None})
    logged = small_data("continuous", episodes=20)
    assert trained.run.source.count.tolist() == [len(logged) + 150] * 4
    np.testing.assert_array_equal(trained.run.source.rows.obs[2, : len(logged)], logged.obs)


def test_a_stage_goes_along_and_another_algorithm_can_take_over(data, tmp_path):
    spot = SPOT(hidden=(16, 16), density_hidden=(16, 16), density_steps=20, batch_size=16)
    train(spot, data, 20, folder=tmp_path / "spot")
    after = finetune(tmp_path / "spot", 101, env=SMALL, anneal={"density_weight": 0.0}, **VOYAGE)
    same(after.algorithms.density, reopen(tmp_path / "spot", data).algorithms.density)
    assert float(after.algorithms.density_weight[0]) == 0
    with pytest.raises(BadInput, match="a run of SPOT: its agent is not of the form that SAC needs"):
        finetune(tmp_path / "spot", 101, env=SMALL, algorithm=SAC(hidden=(16, 16)), folder=tmp_path / "sac", **VOYAGE)
    assert not (tmp_path / "sac").exists()
    taken = finetune(tmp_path / "spot", 101, env=SMALL, algorithm=replace(TINY, hidden=(16, 16)), **VOYAGE)
    assert int(taken.run.step) == 120


@pytest.mark.learning
def test_what_cloned_badly_learns_online(data, tmp_path):
    """From half random data to nearly the best policy there is, in 2,000 steps; every seed."""
    sac = SAC(hidden=(32, 32), batch_size=64, learning_rate=1e-3)
    train(sac, data, 50, seeds=3, folder=tmp_path)
    trained = finetune(tmp_path, 2_000, env=SMALL, **VOYAGE | {"evaluate_every": 2_000, "noise": 0.0, "ratio": 2.0})
    before = np.asarray(jax.vmap(policy_value)(reopen(tmp_path, data).policies))
    after = np.asarray(jax.vmap(policy_value)(trained.policies))
    best = best_value("continuous")
    assert ((after - before) / (best - before) > 0.9).all(), (before, after, best)


def evaluations(steps, values, name="score"):
    return [
        {"kind": "evaluate", "step": step, name: value, "return": value}
        for step, value in zip(steps, values, strict=True)
    ]


def test_the_fall_is_told():
    """Two members, by hand: one falls from 50 to 10 and is back after 300 steps, one rises."""
    rows = evaluations([40, 140, 240, 340], [[50, 0], [10, 20], [40, 40], [60, 60]])
    found = CastOff.of([{"kind": "train", "step": 50}, *evaluations([0], [[99, 99]]), *rows], 40, lambda n: n)
    np.testing.assert_array_equal(found.before, [50, 0])
    np.testing.assert_array_equal(found.worst, [10, 20])
    np.testing.assert_array_equal(found.drop, [40, 0])
    np.testing.assert_array_equal(found.recovery, [300, 0])
    np.testing.assert_allclose(found.regret, [100 - (30 + 25 + 50) / 3, 100 - (10 + 30 + 50) / 3])
    lost = CastOff.of(evaluations([0, 10], [[5.0], [1.0]], "other"), 0, lambda n: 2 * n)
    assert math.isnan(lost.recovery[0])
    np.testing.assert_allclose(lost.regret, [2.0])  # of the best return that was seen, 5
    assert CastOff.of(rows[:1], 40, lambda n: n) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"env": "Hopper-v5"}, r"observations: 11 floats; expected as in the data: 2 floats"),
        ({"env": "Hoper-v5"}, "did you mean Hopper-v5"),
        ({"env": None}, "names no environment; name the one to act in"),
        ({"capacity": 15}, "capacity: found 15; expected at least 50: room for a batch of 16"),
        ({"warm_up": 0}, "warm_up: found 0; expected at least 1"),
        ({"warm_up": 150}, "steps: found 150; expected more than the 150 before the first update"),
        ({"ratio": 0.0}, "ratio: found 0.0; expected above 0"),
        ({"offline_share": 1.0}, "offline_share: found 1.0"),
        ({"anneal": {"batch_size": 3.0}}, "annealing batch_size: is no float setting"),
        ({"data": small_data("continuous", episodes=21)}, "its columns are not those of small"),
    ],
)
def test_bad_input_is_named(run, changes, message):
    with pytest.raises(BadInput, match=message):
        finetune(run, 150, **{"env": SMALL, **VOYAGE} | changes)


class Timed(TD3BC):
    """Learns from a column that only a log has."""

    columns = ("timestep",)


@pytest.mark.parametrize("share", [0.5, None])
def test_rebrac_goes_on_with_the_actions_that_follow(data, tmp_path, share):
    train(ReBRAC(hidden=(8,), batch_size=16), data, 3, folder=tmp_path)
    annealed = {"anneal": {"actor_penalty": 0.0, "critic_penalty": 0.0}, "offline_share": share}
    run = finetune(tmp_path, 100, env=SMALL, **VOYAGE | annealed).run
    state = run.source if share is None else run.source[1]
    lived = jax.tree.map(lambda leaf: np.asarray(leaf)[:, -100:], state.rows)
    same = (lived.extra["next_action"][:, :-2] == lived.action[:, 2:]).all(axis=-1)
    np.testing.assert_array_equal(same, ~lived.extra["last"][:, :-2])


def test_what_can_not_go_on_is_refused(data, tmp_path):
    train(Timed(hidden=(8,), batch_size=8), data, 3, folder=tmp_path / "timed")
    for share in (0.5, None):
        voyage = VOYAGE | {"offline_share": share, "trained_by": Timed(hidden=(8,), batch_size=8)}
        with pytest.raises(BadInput, match="learns from the column timestep, which steps in"):
            finetune(tmp_path / "timed", 150, env=SMALL, **voyage)
    stacked = Stacked(TINY, 2)
    train(stacked, data, 1, folder=tmp_path / "stacked")
    with pytest.raises(BadInput, match="learns from observations of its own making, which steps"):
        finetune(tmp_path / "stacked", 150, env=SMALL, trained_by=stacked, **VOYAGE)
    with pytest.raises(BadInput, match="holds no run"):
        finetune(tmp_path / "nothing", 150, env=SMALL, **VOYAGE)
    (tmp_path / "stacked" / "checkpoint.safetensors").unlink()
    with pytest.raises(BadInput, match="has no policy yet"):
        finetune(tmp_path / "stacked", 150, env=SMALL, trained_by=stacked, **VOYAGE)


def test_the_command(run, tmp_path, capsys):
    words = ["finetune", str(run), "--env", SMALL, "--steps", "200", "--warm-up", "50", "--evaluate-every", "50"]
    words += ["--episodes", "2", "-o", str(tmp_path / "on"), "--set", "discount=0.9", "--anneal", "target-rate=0.01"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "drop" in said
    assert "steps to recover" in said
    config = json.loads((tmp_path / "on" / "config.json").read_text())
    assert config["online"]["cast_off"] == 120
    assert config["algorithm"]["settings"]["discount"] == 0.9
    assert main(["evaluate", str(tmp_path / "on"), "--episodes", "2"]) == 0
    capsys.readouterr()
    assert main(["show", str(tmp_path / "on")]) == 0
    assert "regret" in capsys.readouterr().out
    for more, message in (
        (["--set", "discont=1"], "did you mean discount"),
        (["--anneal", "batch_size=3"], "fixes a shape"),
        (["--set", "discount"], "has no value"),
        (["--method", "dqn"], "takes discrete actions"),
    ):
        assert main([*words, *more]) == 2
        assert message in capsys.readouterr().err
