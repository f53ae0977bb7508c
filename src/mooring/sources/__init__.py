"""Where batches come from. Each source is data shared by a population, and a state that is each member's own."""

from mooring.sources.augmented import (
    Adversarial,
    AmplitudeScaling,
    Augmented,
    DimensionDropout,
    GaussianNoise,
    MixUp,
    RandomShift,
    UniformNoise,
)
from mooring.sources.balanced import Balanced
from mooring.sources.imagined import Imagined, partly_imagined
from mooring.sources.mixture import Mixture
from mooring.sources.offline import Offline
from mooring.sources.prioritized import Prioritized
from mooring.sources.prioritized_replay import PrioritizedReplay
from mooring.sources.replay import Replay, ReplayState, add_rows, newest
from mooring.sources.rows import take, to_device
from mooring.sources.split import Split
from mooring.sources.streamed import Streamed, uniform
from mooring.sources.windows import Windows

__all__ = [
    "Adversarial",
    "AmplitudeScaling",
    "Augmented",
    "Balanced",
    "DimensionDropout",
    "GaussianNoise",
    "Imagined",
    "MixUp",
    "Mixture",
    "Offline",
    "Prioritized",
    "PrioritizedReplay",
    "RandomShift",
    "Replay",
    "ReplayState",
    "Split",
    "Streamed",
    "UniformNoise",
    "Windows",
    "add_rows",
    "newest",
    "partly_imagined",
    "take",
    "to_device",
    "uniform",
]
