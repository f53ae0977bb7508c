"""Objects from a user's own file, named on the command line as `my_file.py:name`."""

import sys
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from mooring.errors import BadInput, unknown


def is_reference(name: str) -> bool:
    """Whether the name has the form `file.py:name`, rather than being the name of something that Mooring ships."""
    return name.rpartition(":")[0].endswith(".py")


def load_object(reference: str) -> Any:
    """What the file calls by that name. The file runs as a module; an error that it raises passes through.

    Raises BadInput where there is no such file, or no such name in it.
    """
    file, _, name = reference.rpartition(":")
    path = Path(file).resolve()
    if not path.is_file():
        raise BadInput(reference, f"there is no file {file}")
    public = vars(_module(path))
    if name not in public:
        raise unknown(f"name in {file}", name, [each for each in public if not each.startswith("_")])
    return public[name]


@cache
def _module(path: Path) -> ModuleType:
    """The file as a module, run once per process, so that two names from one file share their classes."""
    spec = spec_from_file_location(f"mooring_user_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[spec.name]
        raise
    return module
