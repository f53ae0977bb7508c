"""Where the rows of a training go: always to the run's folder, and to whatever else is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

from mooring.errors import BadInput, missing_extra, unknown

if TYPE_CHECKING:
    from mooring.runs import RunFolder

Row = Mapping[str, Any]
"""{"stage": ..., "step": ..., "kind": "train" or "evaluate"}, and by name a list of one number for each member."""


@runtime_checkable
class Logger(Protocol):
    """Takes rows as they come. Within a stage steps grow, but rows of an evaluation may come late."""

    def write(self, row: Row) -> None: ...

    def close(self) -> None: ...


def check_loggers(names: Sequence[str], folder: RunFolder | None) -> None:
    """Raises BadInput for an unknown name, for names without a folder, and where a package is missing."""
    for name in names:
        if name not in _BACKENDS:
            raise unknown("logger", name, _BACKENDS)
        if folder is None:
            raise BadInput(f"logger {name!r}", "writes into the run's folder, and there is none", fix="name a folder")
        if not _is_installed(_BACKENDS[name].package):
            raise missing_extra(_BACKENDS[name].package, "log", f"logger {name!r}")


def make_loggers(names: Sequence[str], folder: RunFolder | None, config: Mapping[str, Any]) -> list[Logger]:
    """The logger of the run's folder, and those of `names`: "tensorboard", "wandb". Without a folder there is none.

    Raises BadInput as `check_loggers` does.
    """
    check_loggers(names, folder)
    if folder is None:
        return []
    from mooring.hooks.files import FileLogger

    return [FileLogger(folder), *(_BACKENDS[name].open(folder, config) for name in names)]


def measures(row: Row) -> dict[str, list[float]]:
    """The numbers of a row, by name."""
    return {name: values for name, values in row.items() if name not in ("stage", "step", "kind")}


def labels(config: Mapping[str, Any]) -> list[str]:
    """Each member's name, as in "seed-0"."""
    from mooring.population import Member

    return [Member(**member).label for member in config["members"]]


def _tensorboard(folder: RunFolder, config: Mapping[str, Any]) -> Logger:
    from mooring.hooks.tensorboard import TensorBoardLogger

    return TensorBoardLogger(folder, labels(config))


def _wandb(folder: RunFolder, config: Mapping[str, Any]) -> Logger:
    from mooring.hooks.wandb import WandbLogger

    return WandbLogger(folder, labels(config), config)


def _is_installed(package: str) -> bool:
    try:
        import_module(package)
    except ImportError:
        return False
    return True


class Backend(NamedTuple):
    package: str
    open: Callable[[RunFolder, Mapping[str, Any]], Logger]


_BACKENDS = {"tensorboard": Backend("tensorboardX", _tensorboard), "wandb": Backend("wandb", _wandb)}
