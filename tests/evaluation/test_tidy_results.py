"""Run folders into one table, the table into run scores, and what stands against comparing them."""

import json
import math

import numpy as np
import pytest

from mooring.errors import BadInput
from mooring.evaluation.collecting import collect
from mooring.evaluation.comparison import aggregate, optimality_gap, probability_of_improvement
from mooring.evaluation.doubts import doubts
from mooring.evaluation.results import Look, best, curves, last, read, until, write
from mooring.evaluation.statistics import mean
from mooring.evaluation.summary import summary


def run_folder(path, method="iql", data="hopper", scores=((10.0, 30.0), (20.0, 20.0)), **how):
    """The folder of a run whose members had these scores at steps 100, 200, ...; its returns are twice as high."""
    members = how.get("members") or [{"seed": seed, "settings": {}} for seed in range(len(scores[0]))]
    config = {
        "algorithm": {"reference": method, "class": "X", "settings": how.get("settings", {"discount": 0.99})},
        "data": {
            "name": data,
            "fingerprint": how.get("fingerprint", data),
            "env": "Hopper-v5",
            "reward_scale": how.get("scale", 1.0),
            "reward_shift": 0.0,
        },
        "members": members,
        "evaluate": {"env": how.get("env", "Hopper-v5"), "every": 100, "episodes": how.get("episodes", 10)},
    }
    config |= {"online": how["online"]} if "online" in how else {}
    rows = [{"stage": "vae", "step": 7, "kind": "train", "loss": [1.0]}]
    for place, each in enumerate(scores):
        row = {"stage": "main", "step": how.get("every", 100) * (place + 1), "kind": "evaluate"}
        rows += [{**row, "kind": "train", "loss": [1.0] * len(each)}]
        rows += [{**row, "return": [2 * score for score in each]} | ({} if how.get("raw") else {"score": each})]
    path.mkdir(parents=True)
    (path / "config.json").write_text(json.dumps(config))
    (path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def look(method="a", task="t", seed=0, step=1, score=1.0, episodes=10):
    return Look(method, task, seed, step, episodes, 2.0 * score, float(score), "run")


# -- Collecting ---------------------------------------------------------------------------------------------------


def test_a_folder_gives_one_row_for_each_look_of_each_member(tmp_path):
    folder = run_folder(tmp_path / "run")
    looks = collect([folder])
    assert looks[1] == Look("iql", "hopper", 0, 200, 10, 40.0, 20.0, str(folder))
    assert [(each.seed, each.step, each.score) for each in looks] == [
        (0, 100, 10.0),
        (0, 200, 20.0),
        (1, 100, 30.0),
        (1, 200, 20.0),
    ]


def test_folders_are_found_below_one_and_count_once(tmp_path):
    run_folder(tmp_path / "runs" / "a" / "deep")
    other = run_folder(tmp_path / "runs" / "b", "bc")
    assert {each.method for each in collect([tmp_path / "runs", other])} == {"iql", "bc"}
    assert len(collect([tmp_path / "runs", other])) == 8


def test_seeds_in_several_folders_are_one_method(tmp_path):
    for seed in (0, 1, 2):
        run_folder(tmp_path / str(seed), scores=[[float(seed)]], members=[{"seed": seed, "settings": {}}])
    (by_task,) = curves(collect([tmp_path])).values()
    np.testing.assert_array_equal(last(by_task)["hopper"], [0, 1, 2])


def test_the_same_seed_twice_is_refused(tmp_path):
    run_folder(tmp_path / "one")
    run_folder(tmp_path / "two")
    with pytest.raises(BadInput, match=r"two: seed 0 of iql on hopper is in .*one too"):
        collect([tmp_path])


def test_methods_are_told_apart_by_what_differs_on_one_task(tmp_path):
    swept = [{"seed": 0, "settings": {"expectile": value}} for value in (0.7, 0.9)]
    settings = {"expectile": 0.7, "temperature": 3.0}
    run_folder(tmp_path / "a", members=swept, settings=settings)
    run_folder(tmp_path / "b", members=swept, settings={**settings, "temperature": 10.0}, data="maze")
    run_folder(tmp_path / "c", online={"run": "a", "cast_off": 200, "steps": 5, "seed": 3})
    run_folder(tmp_path / "d", "/home/me/mine.py:Mine", settings={"hidden": [8, 8]})
    run_folder(tmp_path / "e", "wrapper", settings={"inner": {"reference": "bc", "settings": {"rate": 0.1}}})
    assert list(curves(collect([tmp_path]))) == [
        "iql, expectile 0.7",  # a recipe's temperature for another task does not make another method
        "iql, expectile 0.9",
        "iql cast off",
        "mine.py:Mine",
        "wrapper of bc",
    ]


def test_what_was_learned_from_other_rewards_is_another_method(tmp_path):
    run_folder(tmp_path / "a")
    run_folder(tmp_path / "b", scale=0.1)
    assert list(curves(collect([tmp_path]))) == ["iql, reward_scale 1", "iql, reward_scale 0.1"]


def test_tasks_are_told_apart_by_environment_and_data(tmp_path):
    run_folder(tmp_path / "a", fingerprint="0123456789")
    run_folder(tmp_path / "b", fingerprint="abcdefghij")
    run_folder(tmp_path / "c", env="Walker2d-v5")
    assert list(curves(collect([tmp_path]))["iql"]) == ["hopper 01234567", "hopper abcdefgh", "hopper in Walker2d-v5"]


def test_folders_that_can_not_be_told_of(tmp_path):
    with pytest.raises(BadInput, match="holds no run, nor does a folder in it"):
        collect([tmp_path])
    run_folder(tmp_path / "none", scores=[[1.0]]).joinpath("metrics.jsonl").write_text("")
    with pytest.raises(BadInput, match="has no evaluation yet"):
        collect([tmp_path])
    (tmp_path / "none" / "metrics.jsonl").write_text('{"kind": \n')
    with pytest.raises(BadInput, match=r"metrics\.jsonl: is damaged"):
        collect([tmp_path])
    folder = run_folder(tmp_path / "foreign")
    (folder / "config.json").write_text('{"data": {}}')
    with pytest.raises(BadInput, match=r"config\.json: lacks 'algorithm'"):
        collect([folder])


# -- The table ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_tables_are_read_as_they_were_written(tmp_path, ending):
    run_folder(tmp_path / "a")
    run_folder(tmp_path / "b", "bc", data="other", raw=True)
    looks = collect([tmp_path])
    write(looks, tmp_path / "deep" / f"table.{ending}")
    assert collect([tmp_path / "deep" / f"table.{ending}"]) == looks


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_diverged_run_stays_one_and_is_no_missing_range(tmp_path, ending):
    lost = Look("a", "t", 0, 1, 10, math.nan, math.nan, "run")
    write([lost, look(seed=1)], tmp_path / f"table.{ending}")
    back = read(tmp_path / f"table.{ending}")
    assert math.isnan(back[0].mean_return)
    assert math.isnan(back[0].score)
    assert back[1] == look(seed=1)
    assert "NaN" not in (tmp_path / f"table.{ending}").read_text()


def test_pandas_reads_the_table(tmp_path):
    pandas = pytest.importorskip("pandas")
    run_folder(tmp_path / "a")
    write(collect([tmp_path]), tmp_path / "table.csv")
    table = pandas.read_csv(tmp_path / "table.csv")
    assert table.groupby(["method", "task", "step"]).score.mean().tolist() == [20.0, 20.0]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "method,task\na,b\n"),
        ("a.jsonl", '{"method": 1}\n'),
        ("a.jsonl", "[1]\n"),
        ("a.jsonl", "{\n"),
        ("a.csv", "method,task,seed,step,episodes,mean_return,score,run\na,b,zero,1,1,1,1,r\n"),
        ("a.txt", ""),
    ],
)
def test_other_tables_are_refused(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(BadInput, match="table"):
        read(tmp_path / name)


# -- Run scores ---------------------------------------------------------------------------------------------------


def test_last_and_best_are_apart(tmp_path):
    run_folder(tmp_path / "run", scores=[[10.0, 90.0, math.nan], [50.0, 20.0, 5.0], [30.0, 40.0, 1.0]])
    cells = curves(collect([tmp_path]))["iql"]
    np.testing.assert_array_equal(last(cells)["hopper"], [30, 40, 1])
    np.testing.assert_array_equal(best(cells)["hopper"], [50, 90, 5])
    early = curves(until(collect([tmp_path]), 250))["iql"]
    np.testing.assert_array_equal(last(early)["hopper"], [50, 20, 5])
    with pytest.raises(BadInput, match="within 99 updates"):
        until(collect([tmp_path]), 99)


def test_only_common_steps_count():
    looks = [
        look(seed=seed, step=step, score=float(step)) for seed, steps in ((0, (1, 2, 3)), (1, (2, 4))) for step in steps
    ]
    steps, values = curves(looks)["a"]["t"]
    np.testing.assert_array_equal(steps, [2])
    np.testing.assert_array_equal(values, [[2, 2]])
    with pytest.raises(BadInput, match="a on t: its seeds were evaluated at no common step"):
        curves([look(step=1), look(seed=1, step=2)])


def test_returns_stand_in_where_one_method_has_no_score():
    looks = [look("a"), Look("b", "t", 0, 1, 10, 7.0, None, "run"), look("a", "u")]
    found = curves(looks)
    assert (last(found["a"])["t"][0], last(found["b"])["t"][0], last(found["a"])["u"][0]) == (2, 7, 1)
    assert list(curves(looks, "score")) == ["a"]
    assert list(curves(looks, "score")["a"]) == ["u"]


# -- Doubts and the summary ---------------------------------------------------------------------------------------


def test_nothing_is_doubtful_where_all_is_alike():
    assert not doubts([look(method, task, seed, 1, seed) for method in "ab" for task in "tu" for seed in (0, 1)])


def test_every_doubt_is_said():
    looks = [look("a", "t", seed, step, seed) for seed in (0, 1) for step in (10, 20)] + [look("a", "t", 0, 30, 7)]
    looks += [Look("b", "t", 0, 20, 5, math.nan, math.nan, "run"), look("a", "u", 0)]
    assert doubts(looks) == [
        "b was not run on u",
        "a has 1 to 2 seeds by task: its IQM is not taken over tasks",
        "a on t has seeds that end between 20 and 30 updates: only common steps count",
        "b on t has one seed: nothing tells how another would do",
        "b on t: 1 of 1 seeds diverged: they count as the worst, and have no mean",
        "t, evaluations to choose the best from: 1 (b), 2 (a)",
        "t, episodes in an evaluation: 5 (b), 10 (a)",
        "t, seeds: 1 (b), 2 (a)",
        "a on u has one seed: nothing tells how another would do",
    ]
    unlike = [look("a", step=10), look("a", seed=1, step=10), look("b", step=20), look("b", seed=1, step=20, score=2)]
    assert doubts(unlike) == [
        "a on t: all 2 seeds got the same, so that its intervals have no width",
        "t, updates at the last evaluation: 10 (a), 20 (b)",
    ]


def scored(method, task, *scores):
    return [look(method, task, seed, score=float(score)) for seed, score in enumerate(scores)]


def test_the_summary_puts_last_best_pairs_and_all_tasks_together():
    looks = [*scored("a", "t", 10, 20, 120), *scored("a", "u", 50, 60, 70), *scored("a", "v", 1, 2)]
    looks += [*scored("b", "t", 7, 8, 9), *scored("b", "u", 1, 2, 3)]
    found = summary(looks)
    assert [(line.task, line.method) for line in found.last] == [
        ("t", "a"),
        ("t", "b"),
        ("u", "a"),
        ("u", "b"),
        ("v", "a"),
        ("2 common tasks", "a"),
        ("2 common tasks", "b"),
    ]
    runs = {"t": np.array([10.0, 20, 120]), "u": np.array([50.0, 60, 70])}
    other = {"t": np.array([7.0, 8, 9]), "u": np.array([1.0, 2, 3])}
    assert found.last[5].estimates["mean"] == aggregate(runs, mean)
    assert found.last[5].estimates["optimality gap"] == optimality_gap(runs)
    (duel,) = found.duels
    assert duel.improvement == probability_of_improvement(runs, other)
    assert duel.difference.value == pytest.approx((50 - 8 + 60 - 2) / 2)
    assert duel.verdict == "better"
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["duels"][0]["tasks"] == 2


def test_one_seed_and_a_diverged_run_give_no_interval_and_no_mean():
    looks = [*scored("a", "t", 10), *scored("b", "t", 5, math.nan)]
    found = summary(looks)
    assert found.to_json()["last"][0]["estimates"]["IQM"] == {"value": 10.0, "low": None, "high": None}
    assert (found.last[1].lost, found.last[1].estimates) == (1, {})
    assert found.duels[0].difference is None
    assert found.duels[0].verdict == "cannot tell"


def test_raw_returns_of_several_tasks_are_not_pooled():
    looks = [
        Look(method, task, seed, 1, 10, float(seed), None, "run") for method in "ab" for task in "tu" for seed in (0, 1)
    ]
    found = summary(looks)
    assert {line.task for line in found.last} == {"t", "u"}
    assert all("optimality gap" not in line.estimates for line in found.last)
    assert found.duels[0].difference is None
    assert found.duels[0].improvement.value == 0.5
