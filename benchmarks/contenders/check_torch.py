"""Compares the first updates of a PyTorch loop with Mooring's, from the same weights, rows and noise.

    python -m contenders.check_torch METHOD FILE.npz

FILE is of `check_ours`. It prints the largest relative difference of any loss, and fails where that is above 1e-4.
"""

import sys
from typing import Any

import numpy as np
import torch
from torch import nn

from contenders import torch_networks as networks
from contenders import work as shapes
from contenders.known import batches, noise, uniform_noise, work_of
from contenders.torch_methods import METHODS, Batch, track
from contenders.work import Work

TOLERANCE = 1e-4
PLACES = {  # of a loop's networks in Mooring's agents
    "actor": ".actor.model.net",
    "critics": ".critics.model.members.net",
    "value": ".value.model.net",
    "critic": ".critic.model.net",
}
TARGETS = (("target", "critics"), ("target", "critic"), ("target_critics", "critics"), ("target_actor", "actor"))
LAYERS = {  # of the Decision Transformer
    **{name: name for name in ("of_return", "of_obs", "of_action", "norm", "head")},
    "last_norm": "decoder.norm",
    "norms.0": "attention_norm",
    "norms.1": "perceptron_norm",
    "inputs": "attention.inputs",
    "output": "attention.output",
    "wide": "perceptron.layers[0]",
    "narrow": "perceptron.layers[1]",
}


def main(name: str, file: str) -> None:
    work, found = work_of(name), np.load(file)
    method = METHODS[name](work)
    copy_weights(method, found)
    networks.noise = lambda shape: torch.from_numpy(noise(tuple(shape)))
    networks.uniform_noise = lambda shape: torch.from_numpy(uniform_noise(tuple(shape)))
    differences = []
    for step, columns in enumerate(batches(work)):
        for loss, value in method.update(batch(work, columns)).items():
            theirs = float(found[f"{step} {loss}"])
            differences.append(abs(float(value) - theirs) / (abs(theirs) + 1e-3))
    worst = np.max(differences)  # NaN where any is
    print(f"{name}: losses differ by at most {worst:.1e}")
    if not worst < TOLERANCE:
        sys.exit(f"{name}: more than {TOLERANCE}")


def batch(work: Work, columns: dict[str, np.ndarray]) -> Batch:
    """In the networks' units."""
    if work.method in shapes.STANDARDIZED:
        every = shapes.rows(work.discrete)["obs"]
        scaled = {name: (columns[name] - every.mean(0)) / (every.std(0) + 1e-3) for name in ("obs", "next_obs")}
        columns = columns | scaled
    return Batch(**{name: torch.from_numpy(column) for name, column in columns.items()})


@torch.no_grad()
def copy_weights(method: Any, found: Any) -> None:
    """Mooring's fresh networks, and targets equal to them."""
    if hasattr(method, "model"):
        copy_transformer(method.model, found)
    for name, place in PLACES.items():
        if hasattr(method, name):
            net = getattr(method, name)
            copy_perceptron(net if isinstance(net, networks.MLP) else net.net, place, found)
    if hasattr(method, "vae"):
        copy_perceptron(method.vae.encoder, ".vae.model.encoder", found)
        copy_perceptron(method.vae.decoder, ".vae.model.decoder", found)
    for target, name in TARGETS:
        if hasattr(method, target) and hasattr(method, name):
            track(getattr(method, target), getattr(method, name), 1.0)


def copy_perceptron(net: networks.MLP, place: str, found: Any) -> None:
    place = place if f"{place}.layers[0].weight" in found else f".networks{place}"
    for index, (weight, bias) in enumerate(zip(net.weights, net.biases, strict=True)):
        weight.copy_(torch.from_numpy(found[f"{place}.layers[{index}].weight"]).view_as(weight))
        bias.copy_(torch.from_numpy(found[f"{place}.layers[{index}].bias"]).view_as(bias))


def copy_transformer(model: nn.Module, found: Any) -> None:
    for name, module in model.named_modules():
        block, _, inner = name.removeprefix("blocks.").partition(".") if name.startswith("blocks.") else ("", "", name)
        place = ".model.model." + (f"decoder.blocks[{block}]." if block else "") + LAYERS.get(inner, "")
        if isinstance(module, nn.Linear):
            module.weight.copy_(torch.from_numpy(found[f"{place}.weight"]).T)
            module.bias.copy_(torch.from_numpy(found[f"{place}.bias"]))
        if isinstance(module, nn.LayerNorm):
            module.weight.copy_(torch.from_numpy(found[f"{place}.scale"]))
            module.bias.copy_(torch.from_numpy(found[f"{place}.shift"]))
    model.of_timestep.weight.copy_(torch.from_numpy(found[".model.model.of_timestep"]))


if __name__ == "__main__":
    main(*sys.argv[1:])
