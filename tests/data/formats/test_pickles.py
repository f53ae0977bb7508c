"""Old pickles: those of arrays are read, and nothing in any other is ever run, imported or made."""

import builtins
import gzip
import importlib
import os
import pickle
import struct
from collections import OrderedDict
from functools import partial

import numpy as np
import pytest

from mooring.data import load
from mooring.errors import BadInput

STEPS = (3, 2)
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def trajectories() -> list[dict]:
    """As the Decision Transformer's: a termination after three steps, a cut after two."""
    return [
        {
            "observations": np.arange(steps * 2.0, dtype=np.float32).reshape(steps, 2),
            "next_observations": np.arange(steps * 2.0, dtype=np.float32).reshape(steps, 2) + 2,
            "actions": np.full((steps, 1), 0.5),
            "rewards": np.ones(steps, ">f4"),
            "terminals": np.arange(steps) == 2,
            "weight": [np.float32(number) for number in range(steps)],
            "level": [1] * steps,
            "task": "hopper",
        }
        for steps in STEPS
    ]


@pytest.fixture
def file(tmp_path):
    """Writes a file and returns its path."""

    def write(content: bytes, name: str = "mine.pkl"):
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return write


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_trajectories(file, protocol):
    data = load(file(pickle.dumps(trajectories(), protocol)))
    assert data.continues.tolist() == [1, 1, 0, 1, 1]
    assert data.last.tolist() == [False, False, True, False, True]
    assert data.obs[:, 0].tolist() == [0, 2, 4, 0, 2]
    assert data.next_obs[:, 0].tolist() == [2, 4, 6, 2, 4]
    assert data.returns.tolist() == [3, 2]
    assert data.extra["weight"].tolist() == [0, 1, 2, 0, 1]
    assert data.extra["level"].dtype == np.int32
    assert data.name == "mine"


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("core", ["core", "_core"])
def test_arrays_of_old_and_new_numpy(file, protocol, core):
    content = pickle.dumps(trajectories(), protocol)
    shorter, longer = b"numpy.core.", b"numpy._core."
    if core == "core" and protocol < 4:  # there names are lines of text, and may change their length
        content = content.replace(longer, shorter)
        assert shorter in content
    assert len(load(file(content))) == 5


def test_one_dict_of_arrays_in_any_order_of_memory(file):
    columns = {
        "observations": np.asfortranarray(np.arange(12.0).reshape(4, 3)),
        "actions": [[0.1], [0.2], [0.3], [0.4]],
        "rewards": [0, 1, 2, 3],
        "terminals": np.array([0, 1, 0, 0], bool),
        "timeouts": (False, False, False, True),
        "next_observations": np.arange(24.0).reshape(4, 6)[:, ::2],
    }
    data = load(file(pickle.dumps(columns)))
    np.testing.assert_array_equal(data.obs, columns["observations"])
    np.testing.assert_array_equal(data.next_obs, columns["next_observations"])
    assert data.action[:, 0].tolist() == np.float32([0.1, 0.2, 0.3, 0.4]).tolist()


def test_trajectories_with_one_observation_more_or_without_terminals(file):
    columns = {"observations": np.arange(4.0)[:, None], "actions": np.zeros((3, 1)), "rewards": np.ones(3)}
    data = load(file(pickle.dumps([columns, columns])))
    assert data.next_obs[:, 0].tolist() == [1, 2, 3, 1, 2, 3]
    assert data.continues.all()
    columns["observations"] = columns["observations"][:-1]
    assert len(load(file(pickle.dumps([columns, columns])))) == 4  # nothing tells what followed the last rows


class Calls:
    """Pickled as a call of a function."""

    def __init__(self, function, *arguments, state=None):
        self.reduced = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self):
        return self.reduced


class Plain:
    pass


def nested(bomb) -> list:
    return [{"observations": {"deep": [(bomb,)]}}]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("content", "name"),
    [
        (Calls(os.system, "touch opened"), rf"{os.name}.system"),
        (nested(Calls(os.system, "touch opened")), rf"{os.name}.system"),
        (Calls(builtins.eval, "open('opened', 'w')"), r"(__builtin__|builtins).eval"),
        (Calls(builtins.exec, "open('opened', 'w')"), r"(__builtin__|builtins).exec"),
        (Calls(builtins.getattr, "", "join"), r"(__builtin__|builtins).getattr"),
        (Calls(importlib.import_module, "antigravity"), "importlib.import_module"),
        (Calls(np.save, "opened", np.zeros(1)), "numpy.save"),
        (Calls(np.fromfile, "/etc/passwd"), "numpy.*fromfile"),
        (Calls(np.memmap, "opened"), "numpy.*memmap"),
        (partial(os.system, "touch opened"), "functools.partial"),
        (OrderedDict(observations=1), "collections.OrderedDict"),
        (Plain(), "test_pickles.Plain|copy_?reg"),
        (os.system, rf"{os.name}.system"),
        ([].append, "getattr"),
    ],
)
def test_whatever_would_run_is_refused_by_name(file, tmp_path, monkeypatch, content, name, protocol):
    monkeypatch.chdir(tmp_path)
    path = file(pickle.dumps(content, protocol))
    with pytest.raises(BadInput, match=rf"mine.pkl: asks for .*({name}).*which is not needed for arrays and could run"):
        load(path)
    assert os.listdir(tmp_path) == ["mine.pkl"]


def reconstructed() -> tuple:
    return np.zeros(1).__reduce__()[:2]


def typed(name: str) -> Calls:
    return Calls(np.dtype, name, False, True, state=(3, "<", None, None, None, -1, -1, 0))


def stored(dtype, content, shape=(1,)) -> Calls:
    function, arguments = reconstructed()
    return Calls(function, *arguments, state=(1, shape, dtype, False, content))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.array([None, {}]), "has an array of type 'O8'; expected numbers"),
        (np.array(["text"]), "has an array of type 'U4'"),
        (np.zeros(1, [("a", "f4"), ("b", "O")]), "has an array of type 'V"),
        (np.array(["2020-01-01"], "M8[D]"), "has an array of type 'M8'"),
        (stored(typed("f4"), [Plain], (1,)), r"asks for .*Plain"),
        (stored(typed("f4"), [1.0], (1,)), "has an array of objects"),
        (stored(typed("f8"), b"1234"), r"of shape \(1,\) and type float64 in 4 bytes; expected 8 bytes|do not fill"),
        (stored(typed("f4"), b"", (2**40, 2**40)), "its bytes do not fill"),
        (stored(typed("f4"), b"1234", (-1,)), "its bytes do not fill"),
        (stored(typed("f4"), b"1234", (1,) * 64), "an array without a shape"),
        (stored(None, b"1234"), "an array without type or bytes"),
        (Calls(np.dtype, "f4", state=(3, "O", None, None, None, -1, -1, 0)), "a type without byte order"),
        (Calls(np.dtype, "O"), "has an array of type 'O'"),
        (Calls(np.dtype, {"names": ["a"], "formats": ["O"]}), "has an array of type 'dict'"),
    ],
)
def test_arrays_that_are_more_than_numbers(file, content, message):
    with pytest.raises(BadInput, match=message):
        load(file(pickle.dumps({"observations": content}, 4)))


PROTO, STOP = b"\x80\x04", b"."


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"hello\n", "is a damaged pickle"),
        (PROTO, "is a damaged pickle"),
        (PROTO + STOP, "is a damaged pickle"),
        (PROTO + b"h\x07.", "is a damaged pickle"),  # a memo that was never filled
        (PROTO + b"e.", "is a damaged pickle"),  # no mark
        (PROTO + b"(e.", "is a damaged pickle"),  # a mark, and no list below it
        (PROTO + b"\x85.", "is a damaged pickle"),  # a tuple of nothing
        (PROTO + b"(K\x01d.", "is a damaged pickle"),  # a key without value
        (PROTO + b"}](K\x01K\x02u.", "where a dict belongs"),  # items for a list
        (PROTO + b"})K\x01s.", "keys that are no names"),
        (PROTO + b"NN\x93.", "a global without a name"),
        (PROTO + b"K\x01)R.", "calls what is no maker of arrays"),
        (PROTO + b"}}b.", "sets the state of an object"),
        (PROTO + b"cnumpy\nndarray\n)\x81.", "asks for NEWOBJ at byte 18"),
        (b"(ios\nsystem\n.", "asks for INST at byte 1"),
        (b"(cnumpy\nndarray\no.", "asks for OBJ"),
        (b"Pname\n.", "asks for PERSID"),
        (b"\x82\x01.", "asks for EXT1"),
        (PROTO + b"\x8f.", "asks for EMPTY_SET"),
        (b"cnumpy\nndarray.__class__\n.", r"asks for numpy.ndarray.__class__"),
        (b"cnumpy.core.multiarray\n_reconstruct\n.", "holds a Global"),
        (PROTO + b"\x8e" + struct.pack("<Q", 2**62) + b"x.", "is a damaged pickle"),  # bytes beyond the file's end
        (PROTO + b"\x8e" + struct.pack("<Q", 2**64 - 1) + b"x.", "is a damaged pickle"),
        (b"I" + b"9" * 5000 + b"\n.", "is a damaged pickle"),
        (PROTO + b"K\x01.", "holds a int; expected a dict of arrays"),
        (PROTO + b"].", "holds a list; expected a dict of arrays"),
        (PROTO + b"]\x94h\x00a.", "holds a list; expected a dict of arrays"),  # a list that holds itself
        (gzip.compress(b"x", mtime=0), "is compressed; expected a pickle; gunzip it"),
    ],
)
def test_odd_opcodes(file, content, message):
    with pytest.raises(BadInput, match=rf"mine.pkl: .*{message}"):
        load(file(content))


def test_every_truncation_is_damage(file):
    whole = pickle.dumps(trajectories()[:1], 4)
    for size in range(0, len(whole), 7):
        with pytest.raises(BadInput):
            load(file(whole[:size]))


def test_every_changed_byte_is_read_or_refused(file):
    whole = bytearray(pickle.dumps(trajectories()[:1], 4))
    draw = np.random.default_rng(0)
    for place in draw.integers(0, len(whole), 100):
        changed = whole.copy()
        changed[place] ^= int(draw.integers(1, 256))
        try:
            load(file(bytes(changed)))
        except BadInput:
            continue


def test_one_object_is_not_repeated_into_many(file):
    many = {"observations": [np.zeros(1000)] * 1000, "actions": [0.0], "rewards": [0.0], "terminals": [0]}
    with pytest.raises(BadInput, match="observations repeats one object into more than the file has bytes"):
        load(file(pickle.dumps(many)))
    with pytest.raises(BadInput, match=r"trajectory \d+: \w+ repeats one object"):
        load(file(pickle.dumps([trajectories()[0]] * 1000)))
    text = b"X" + struct.pack("<I", 1000) + b"x" * 1000
    once = b"\x80\x02]c_codecs\nencode\nq\x01a" + text + b"q\x02aU\x06latin1q\x03a"
    with pytest.raises(BadInput, match="an array repeats one object into more than the file has bytes"):
        load(file(once + b"h\x01h\x02h\x03\x86Ra" * 100 + b"."))
    shared = [0] * 1000 + [None]
    with pytest.raises(BadInput, match="x repeats one object"):
        load(file(pickle.dumps({"x": [shared] * 1000})))
    laughs = ["lol"]
    for _ in range(60):
        laughs = [laughs, laughs]
    with pytest.raises(BadInput, match="lacks obs"):
        load(file(pickle.dumps({"observations": laughs})))
    keys = ("lol",)
    for _ in range(60):
        keys = (keys, keys)
    with pytest.raises(BadInput, match="keys that are no names"):
        load(file(b"\x80\x04}" + pickle.dumps(keys, 4)[2:-1] + b"K\x01s."))


def test_bad_columns(file):
    ragged = trajectories()
    ragged[0]["observations"] = [[0.0, 1.0], [0.0]]
    with pytest.raises(BadInput, match="trajectory 0: observations is ragged"):
        load(file(pickle.dumps(ragged)))
    short = trajectories()
    short[1]["terminals"] = np.zeros(1)
    with pytest.raises(BadInput, match="trajectory 1: has 2 rewards and 1 terminals"):
        load(file(pickle.dumps(short)))
    other = trajectories()
    other[1]["actions"] = np.zeros((2, 3))
    with pytest.raises(BadInput, match="its trajectories differ in shape"):
        load(file(pickle.dumps(other)))
    del other[0]["actions"]
    with pytest.raises(BadInput, match=r"trajectory 0: lacks action \(it holds"):
        load(file(pickle.dumps(other)))
