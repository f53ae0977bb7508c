"""One device for each core, where JAX has not been told otherwise."""

import os
import subprocess
import sys

import pytest

from mooring.cores import FLAG, MOST, available

SCRIPT = """
import os
from mooring.cores import use_cores
use_cores()
print(os.environ.get("XLA_FLAGS", ""))
import jax
print(len(jax.local_devices()))
use_cores()
"""


def told(flags):
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.split("\n")[:2]


@pytest.mark.skipif(available() == 1, reason="has one core")
def test_every_core_is_a_device():
    cores = min(available(), MOST)
    assert told("") == [f"{FLAG}={cores}", str(cores)]


def test_what_the_user_said_stands():
    assert told(f"{FLAG}=3") == [f"{FLAG}=3", "3"]
