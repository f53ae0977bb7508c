"""What an old pickle of arrays holds, without Python's unpickler.

Why this is safe: nothing that a file names is imported or called. `pickletools.genops` splits the file into opcodes,
and the small machine below acts on those that lists, tuples, dicts, numbers, texts and arrays need; all others are
refused. A global (GLOBAL, STACK_GLOBAL) is kept as a name, and must be one of GLOBALS, those with which NumPy pickles
arrays. Calling one (REDUCE) or setting a state (BUILD) notes a type, a shape and the bytes. An array is made of them by
`numpy.frombuffer`, only if the type is one of TYPES (booleans, integers, floats: so no objects, and no pointers among
the bytes) and the bytes are as many as the shape asks for. So `numpy.ndarray.__setstate__`, which trusts what it is
given, and an allow-list of functions, each of which would have to be safe with any arguments, are not involved.

Time and memory grow with the file's size and no faster: `mmap` hands out no more bytes than there are, shapes must be
filled by their bytes, an `Allowance` bounds what is made of an object that the file holds once and uses often, keys of
dicts are texts or numbers (a nested tuple may take forever to hash), and complaints cut short what a file says.
"""

from __future__ import annotations

import mmap
import pickletools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from mooring.errors import BadInput

CORES = ("numpy.core", "numpy._core")  # before NumPy 2, and since
MAKERS = {f"{core}.multiarray._reconstruct": "array" for core in CORES}
MAKERS |= {f"{core}.multiarray.scalar": "scalar" for core in CORES}
MAKERS |= {f"{core}.numeric._frombuffer": "buffer" for core in CORES}
MAKERS |= {"numpy.dtype": "dtype", "_codecs.encode": "encode"}
GLOBALS = {*MAKERS, "numpy.ndarray"}
TYPES = {"b1"} | {f"{kind}{size}" for kind in "iu" for size in (1, 2, 4, 8)} | {"f2", "f4", "f8"}
MOST_AXES = 8
SHOWN = 100  # letters


@dataclass(frozen=True)
class Global:
    """The name of something that a pickle would import."""

    name: str


@dataclass
class Stored:
    """What a pickle tells of an array or a type, as far as it has been read."""

    dtype: np.dtype[Any] | None = None
    array: np.ndarray | None = None


@dataclass
class Allowance:
    """How much may still be made of a file's objects: as many bytes, or numbers, as the file has bytes."""

    left: int
    where: str

    def spend(self, amount: int, name: str) -> None:
        self.left -= amount
        if self.left < 0:
            found = f"{name[:SHOWN]} repeats one object into more than the file has bytes"
            raise BadInput(self.where, found, "columns of their own numbers")


def loads(path: Path, where: str) -> Any:
    """What the pickle holds; arrays and NumPy's scalars are `Stored`. Raises BadInput for all that is not data."""
    with path.open("rb") as file:
        start = file.read(2)
        if not start or start == b"\x1f\x8b":
            raise BadInput(where, "is compressed" if start else "is empty", "a pickle", "gunzip it" if start else "")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            try:
                return _Machine(where, len(content)).run(pickletools.genops(cast(IO[bytes], content)))
            except BadInput:
                raise
            except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, MemoryError) as error:
                raise BadInput(where, f"is a damaged pickle ({str(error)[:SHOWN]})", "a whole one of arrays") from error


class _Machine:
    """A pickle's stack and memo. Methods are named after opcodes, and act as these do, or note what these say."""

    def __init__(self, where: str, size: int) -> None:
        self.where = where
        self.allowance = Allowance(size, where)
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self, opcodes: Iterator[tuple[Any, Any, int | None]]) -> Any:
        for opcode, argument, position in opcodes:
            name = opcode.name
            if name in CONSTANTS:
                self.stack.append(CONSTANTS[name]())
            elif name in LITERALS:
                self.stack.append(argument)
            elif name in ACTIONS:
                ACTIONS[name](self, argument)
            elif name == "STOP":
                return self.stack.pop()
            elif name not in ("PROTO", "FRAME"):
                raise BadInput(self.where, f"asks for {name} at byte {position}", "arrays and built-in containers only")
        raise BadInput(self.where, "is a damaged pickle (it does not stop)")

    def marked(self) -> list[Any]:
        """What was pushed since the last mark."""
        return self.take(len(self.stack) - self.marks.pop())

    def take(self, count: int) -> list[Any]:
        if not 0 <= count <= len(self.stack):
            raise ValueError("its stack is too short")
        items = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return items

    def put(self, key: int | None) -> None:
        self.memo[len(self.memo) if key is None else key] = self.stack[-1]

    def extend(self, items: list[Any]) -> None:
        self._top(list).extend(items)

    def set_items(self, items: list[Any]) -> None:
        if not all(isinstance(key, str | int) for key in items[::2]):  # hashing others may take forever
            raise ValueError("a dict has keys that are no names")
        self._top(dict).update(zip(items[::2], items[1::2], strict=True))

    def new_dict(self, items: list[Any]) -> None:
        self.stack.append({})
        self.set_items(items)

    def _top(self, kind: type) -> Any:
        if not isinstance(self.stack[-1], kind):
            raise ValueError(f"a {type(self.stack[-1]).__name__} where a {kind.__name__} belongs")
        return self.stack[-1]

    def name(self, module: Any, name: Any) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise ValueError("a global without a name")
        full = f"{module}.{name}"
        if full not in GLOBALS:
            found = f"asks for {full[:SHOWN]}, which is not needed for arrays and could run code"
            raise BadInput(self.where, found, "arrays and built-in containers only")
        self.stack.append(Global(full))

    def reduce(self) -> None:
        function, arguments = self.take(2)
        if not isinstance(function, Global) or function.name not in MAKERS or not isinstance(arguments, tuple):
            raise BadInput(self.where, "calls what is no maker of arrays", "arrays and built-in containers only")
        self.stack.append(self._made(MAKERS[function.name], arguments))

    def _made(self, maker: str, arguments: tuple[Any, ...]) -> Any:
        if maker == "array":
            return Stored()
        if maker == "dtype":
            return Stored(dtype=self._dtype(arguments[0]))
        if maker == "encode":  # how protocols before 3 write bytes
            text, encoding = arguments
            if not isinstance(encoding, str) or encoding != "latin1":
                raise ValueError("bytes that are not latin1")
            return self._encoded(text)
        if maker == "scalar":
            return Stored(array=self._array((), arguments[0], False, arguments[1]))
        content, dtype, shape, order = arguments
        return Stored(array=self._array(shape, dtype, order == "F", content))

    def _encoded(self, text: str) -> bytes:
        self.allowance.spend(len(text), "an array")
        return text.encode("latin-1")

    def build(self) -> None:
        """A type's byte order, or an array's shape, type, order and bytes."""
        stored, state = self.take(2)
        if not isinstance(stored, Stored) or not isinstance(state, tuple):
            raise BadInput(self.where, "sets the state of an object", "arrays and built-in containers only")
        if stored.dtype is not None:
            if not isinstance(state[1], str) or state[1] not in "<>|=":
                raise ValueError("a type without byte order")
            stored.dtype = np.dtype(state[1] + stored.dtype.str[1:])
        else:
            _, shape, dtype, fortran, content = state
            stored.array = self._array(shape, dtype, fortran, content)
        self.stack.append(stored)

    def _dtype(self, name: Any) -> np.dtype[Any]:
        if not isinstance(name, str) or name not in TYPES:
            shown = name[:20] if isinstance(name, str) else type(name).__name__
            raise BadInput(self.where, f"has an array of type {shown!r}", "numbers", "objects and text are not read")
        return np.dtype(name)

    def _array(self, shape: Any, dtype: Any, fortran: Any, content: Any) -> np.ndarray:
        if isinstance(content, list):
            raise BadInput(self.where, "has an array of objects", "numbers", "save each column with its own dtype")
        if isinstance(content, str):  # Python 2
            content = self._encoded(content)
        if not isinstance(dtype, Stored) or dtype.dtype is None or not isinstance(content, bytes | bytearray):
            raise ValueError("an array without type or bytes")
        if not isinstance(shape, tuple) or len(shape) > MOST_AXES:
            raise ValueError("an array without a shape")
        if not all(isinstance(size, int) and 0 <= size <= len(content) for size in shape):
            raise ValueError("an array of a shape that its bytes do not fill")
        if prod(shape) * dtype.dtype.itemsize != len(content):
            found = f"has an array of shape {shape} and type {dtype.dtype} in {len(content)} bytes"
            raise BadInput(self.where, found, f"{prod(shape) * dtype.dtype.itemsize} bytes")
        return np.frombuffer(content, dtype.dtype).reshape(shape, order="F" if fortran else "C")


CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
}
LITERALS = {
    *("INT", "LONG", "LONG1", "BININT", "BININT1", "BININT2", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
ACTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), _Machine.put),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda machine, key: machine.stack.append(machine.memo[key])),
    "TUPLE1": lambda machine, _: machine.stack.append(tuple(machine.take(1))),
    "TUPLE2": lambda machine, _: machine.stack.append(tuple(machine.take(2))),
    "TUPLE3": lambda machine, _: machine.stack.append(tuple(machine.take(3))),
    "MARK": lambda machine, _: machine.marks.append(len(machine.stack)),
    "TUPLE": lambda machine, _: machine.stack.append(tuple(machine.marked())),
    "LIST": lambda machine, _: machine.stack.append(machine.marked()),
    "DICT": lambda machine, _: machine.new_dict(machine.marked()),
    "APPEND": lambda machine, _: machine.extend(machine.take(1)),
    "APPENDS": lambda machine, _: machine.extend(machine.marked()),
    "SETITEM": lambda machine, _: machine.set_items(machine.take(2)),
    "SETITEMS": lambda machine, _: machine.set_items(machine.marked()),
    "GLOBAL": lambda machine, names: machine.name(*names.split(" ", 1)),
    "STACK_GLOBAL": lambda machine, _: machine.name(*machine.take(2)),
    "REDUCE": lambda machine, _: machine.reduce(),
    "BUILD": lambda machine, _: machine.build(),
}
