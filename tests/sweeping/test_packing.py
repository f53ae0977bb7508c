"""How members become jobs: exact blocks, names and words."""

from itertools import product

import pytest

from mooring.sweeping.packing import Job, divided, pack
from mooring.sweeping.reading import Program


def program(seeds, pack=16, algorithm="iql", data="hopper-medium-v2", **axes):
    return Program(algorithm, data, ("--steps=5",), {"seeds": [str(seed) for seed in range(seeds)], **axes}, pack)


def points(axes):
    return set(product(*axes.values()))


@pytest.mark.parametrize("most", [1, 2, 3, 4, 5, 7, 12, 100])
@pytest.mark.parametrize("lengths", [(1, 1), (5, 1), (4, 3), (2, 7)])
def test_blocks_are_apart_cover_the_grid_and_are_small_enough(lengths, most):
    axes = {"seeds": [str(n) for n in range(lengths[0])], "alpha": [str(n) for n in range(lengths[1])]}
    blocks = [points(block) for block in divided(axes, most)]
    assert all(1 <= len(block) <= most for block in blocks)
    assert sum(map(len, blocks)) == len(points(axes))
    assert set.union(*blocks) == points(axes)


def test_the_longest_axis_is_cut_into_equal_parts():
    axes = {"seeds": ["0", "1", "2", "3", "4"], "alpha": ["1", "2"]}
    assert list(divided(axes, 4)) == [
        {"seeds": ["0"], "alpha": ["1", "2"]},
        {"seeds": ["1", "2"], "alpha": ["1", "2"]},
        {"seeds": ["3", "4"], "alpha": ["1", "2"]},
    ]


def sizes(programs, workers, together):
    return [job.members for job in pack(programs, workers, together)]


def test_on_cpus_each_program_is_shared_out_over_the_workers():
    assert sizes([program(4), program(4)], 2, together=False) == [2, 2, 2, 2]
    assert sizes([program(3)], 8, together=False) == [1, 1, 1]
    assert sizes([program(5)], 2, together=False) == [2, 3]


def test_on_gpus_programs_stay_whole_unless_workers_would_idle():
    assert sizes([program(16)], 1, together=True) == [16]
    assert sizes([program(16)], 4, together=True) == [4, 4, 4, 4]
    assert sizes([program(4), program(4)], 2, together=True) == [4, 4]
    assert sizes([program(20, alpha=["1", "2"])], 1, together=True) == [12, 14, 14]


def test_no_job_is_larger_than_its_programs_limit():
    assert sizes([program(6, pack=2), program(6)], 1, together=True) == [2, 2, 2, 6]
    assert sizes([program(6, pack=1)], 2, together=False) == [1] * 6


def test_words_and_names():
    jobs = pack([program(3, alpha=["1.0", "2.5"]), program(1, data="data/my log.npz")], 3, together=False)
    assert jobs[0] == Job(
        "iql-hopper-medium-v2-1",
        ("iql", "hopper-medium-v2", "--seeds=0,", "--sweep=alpha=1.0,2.5", "--steps=5"),
        2,
    )
    assert [job.name for job in jobs[1:]] == ["iql-hopper-medium-v2-2", "iql-hopper-medium-v2-3", "iql-my-log"]
    assert jobs[3].words == ("iql", "data/my log.npz", "--seeds=0,", "--steps=5")
    assert pack([program(2)], 1, together=False)[0].words[2] == "--seeds=0,1"


def test_numbers_of_folders_sort(tmp_path):
    names = [job.name for job in pack([program(12)], 12, together=False)]
    assert names == sorted(names)
    named = pack([program(1, algorithm="mine/my_algorithm.py:Huber")], 1, together=False)[0]
    assert named.name == "Huber-hopper-medium-v2"
    assert named.typed(tmp_path).startswith("mooring train mine/my_algorithm.py:Huber hopper-medium-v2 --seeds=0, ")
    assert named.typed(tmp_path).endswith(f"--steps=5 --folder={tmp_path}/Huber-hopper-medium-v2 --resume")
