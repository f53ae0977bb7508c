"""One update of each method in PyTorch, from the equations of its paper, with the settings of `work`.

A method holds its networks and optimizers; `update` takes one batch and returns its losses. Nothing is logged and
nothing leaves the device. Adam is the fused one, targets move by one call for all of their leaves. What `pure` names
changes no state: it may be compiled, with its backward pass.
"""

import math
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from contenders import torch_networks as networks
from contenders.torch_networks import VAE, Critics, Deterministic, Gaussian, Squashed, TrajectoryModel
from contenders.work import ACTIONS, CHOICES, HORIZON, OBS, Work

Losses = dict[str, Tensor]


@dataclass
class Batch:
    """Rows, or windows of rows with the columns of the last three too."""

    obs: Tensor
    action: Tensor
    reward: Tensor
    next_obs: Tensor
    continues: Tensor
    timestep: Tensor | None = None
    return_to_go: Tensor | None = None
    mask: Tensor | None = None


def adam(parameters: Any, rate: float, **more: float) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, rate, fused=True, **more)


def descend(loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
    """One step of the optimizer's own parameters; no others take part."""
    optimizer.zero_grad()
    loss.backward(inputs=optimizer.param_groups[0]["params"])  # lays gradients out as fused Adam needs them
    optimizer.step()


@torch.no_grad()
def track(target: nn.Module, model: nn.Module, rate: float) -> None:
    torch._foreach_lerp_(list(target.parameters()), list(model.parameters()), rate)


def frozen(model: nn.Module) -> nn.Module:
    return deepcopy(model).requires_grad_(False)


def bellman(q: Tensor, target: Tensor) -> Tensor:
    """The mean square over the batch, summed over critics."""
    return ((q - target) ** 2).mean(1).sum()


class TD3BC:
    """TD3+BC: arXiv 2106.06860, eqs. 3 and 5, on TD3, 1802.09477."""

    pure = ("next_target", "critic_loss", "actor_loss")

    def __init__(self, work: Work) -> None:
        self.work, self.step = work, 0
        self.actor = Deterministic(OBS, ACTIONS, work.hidden)
        self.critics = Critics(2, OBS, ACTIONS, work.hidden)
        self.target_actor, self.target_critics = frozen(self.actor), frozen(self.critics)
        self.actor_rate = adam(self.actor.parameters(), work.learning_rate)
        self.critic_rate = adam(self.critics.parameters(), work.learning_rate)

    def update(self, batch: Batch) -> Losses:
        critic_loss = self.critic_loss(batch, self.next_target(batch))
        descend(critic_loss, self.critic_rate)
        losses = {"critic_loss": critic_loss.detach()}
        if self.step % self.work.actor_delay == 0:
            actor_loss = self.actor_loss(batch)
            descend(actor_loss, self.actor_rate)
            track(self.target_actor, self.actor, self.work.target_rate)
            track(self.target_critics, self.critics, self.work.target_rate)
            losses["actor_loss"] = actor_loss.detach()
        self.step += 1
        return losses

    @torch.no_grad()
    def next_target(self, batch: Batch) -> Tensor:
        work, action = self.work, self.target_actor(batch.next_obs)
        drawn = (work.target_noise * networks.noise(action.shape)).clamp(-work.noise_clip, work.noise_clip)
        next_q = self.target_critics(batch.next_obs, (action + drawn).clamp(-1, 1)).amin(0)
        return batch.reward + work.discount * batch.continues * next_q

    def critic_loss(self, batch: Batch, target: Tensor) -> Tensor:
        return bellman(self.critics(batch.obs, batch.action), target)

    def actor_loss(self, batch: Batch) -> Tensor:
        action = self.actor(batch.obs)
        q = self.critics.first(batch.obs, action)
        scale = self.work.alpha / q.detach().abs().mean()
        return -scale * q.mean() + ((action - batch.action) ** 2).mean()


class IQL:
    """Implicit Q-learning: arXiv 2110.06169, eqs. 5 to 7."""

    pure = ("smallest_target", "value_loss", "look_ahead", "actor_loss", "critic_loss")

    def __init__(self, work: Work) -> None:
        self.work = work
        self.actor = Gaussian(OBS, ACTIONS, work.hidden)
        self.critics = Critics(2, OBS, ACTIONS, work.hidden)
        self.value = networks.MLP(1, OBS, work.hidden, 1)
        self.target = frozen(self.critics)
        self.actor_rate, self.critic_rate, self.value_rate = (
            adam(model.parameters(), work.learning_rate) for model in (self.actor, self.critics, self.value)
        )
        self.decay = torch.optim.lr_scheduler.CosineAnnealingLR(self.actor_rate, work.decay_steps)

    def update(self, batch: Batch) -> Losses:
        target_q = self.smallest_target(batch)
        value_loss = self.value_loss(batch, target_q)
        descend(value_loss, self.value_rate)
        weight, target = self.look_ahead(batch, target_q)
        actor_loss = self.actor_loss(batch, weight)
        descend(actor_loss, self.actor_rate)
        self.decay.step()
        critic_loss = self.critic_loss(batch, target)
        descend(critic_loss, self.critic_rate)
        track(self.target, self.critics, self.work.target_rate)
        losses = {"value_loss": value_loss, "actor_loss": actor_loss, "critic_loss": critic_loss}
        return {name: loss.detach() for name, loss in losses.items()}

    @torch.no_grad()
    def smallest_target(self, batch: Batch) -> Tensor:
        return self.target(batch.obs, batch.action).amin(0)

    def value_loss(self, batch: Batch, target_q: Tensor) -> Tensor:
        error = target_q - self.value(batch.obs)[0, :, 0]
        return ((self.work.expectile - (error < 0).float()).abs() * error**2).mean()

    @torch.no_grad()
    def look_ahead(self, batch: Batch, target_q: Tensor) -> tuple[Tensor, Tensor]:
        """The weight of each row for the actor, and the target of the critics."""
        value, next_value = self.value(torch.cat([batch.obs, batch.next_obs]))[0, :, 0].chunk(2)
        weight = torch.exp(self.work.temperature * (target_q - value)).clamp(max=self.work.advantage_clip)
        return weight, batch.reward + self.work.discount * batch.continues * next_value

    def actor_loss(self, batch: Batch, weight: Tensor) -> Tensor:
        return -(weight * self.actor.log_prob(batch.obs, batch.action)).mean()

    def critic_loss(self, batch: Batch, target: Tensor) -> Tensor:
        return bellman(self.critics(batch.obs, batch.action), target)


class SACN:
    """SAC with the smallest of N critics: arXiv 2110.01548, section 3, on SAC, 1812.05905, eqs. 3, 7 and 18."""

    pure = ("actor_loss", "next_value", "critic_loss")
    lowest_log_std = -5.0

    def __init__(self, work: Work) -> None:
        self.work = work
        self.actor = Squashed(OBS, ACTIONS, work.hidden, self.lowest_log_std)
        self.critics = Critics(work.critics, OBS, ACTIONS, work.hidden)
        self.target = frozen(self.critics)
        self.log_temperature = nn.Parameter(torch.zeros(()))
        actor_rate = work.settings.get("actor_learning_rate", work.learning_rate)
        self.actor_rate = adam(self.actor.parameters(), actor_rate)
        self.temperature_rate = adam([self.log_temperature], actor_rate)
        self.critic_rate = adam(self.critics.parameters(), work.learning_rate)

    def update(self, batch: Batch) -> Losses:
        """All losses see the networks from before the update, as published."""
        temperature = self.log_temperature.detach().exp()
        actor_loss, log_prob = self.actor_loss(batch, temperature)
        target = batch.reward + self.work.discount * batch.continues * self.next_value(batch, temperature)
        critic_loss = self.critic_loss(batch, target)
        excess = -log_prob.detach().mean() - self.work.target_entropy * ACTIONS
        descend(actor_loss, self.actor_rate)
        descend(self.log_temperature * excess, self.temperature_rate)
        descend(critic_loss, self.critic_rate)
        track(self.target, self.critics, self.work.target_rate)
        return {"actor_loss": actor_loss.detach(), "critic_loss": critic_loss.detach()}

    def actor_loss(self, batch: Batch, temperature: Tensor) -> tuple[Tensor, Tensor]:
        action, log_prob = self.actor(batch.obs)
        return (temperature * log_prob - self.critics(batch.obs, action).amin(0)).mean(), log_prob

    @torch.no_grad()
    def next_value(self, batch: Batch, temperature: Tensor) -> Tensor:
        action, log_prob = self.actor(batch.next_obs)
        return self.target(batch.next_obs, action).amin(0) - temperature * log_prob

    def critic_loss(self, batch: Batch, target: Tensor) -> Tensor:
        return bellman(self.critics(batch.obs, batch.action), target)


class EDAC(SACN):
    """SAC-N with critics kept apart: arXiv 2110.01548, eq. 4."""

    def critic_loss(self, batch: Batch, target: Tensor) -> Tensor:
        count = self.work.critics
        inputs = torch.cat([batch.obs, batch.action], dim=1).expand(count, -1, -1)
        q, slope = self.critics.net.with_slope(inputs)
        slope = slope[..., OBS:]
        direction = slope * torch.rsqrt((slope**2).sum(-1, keepdim=True) + 1e-12)
        pairs = (direction.sum(0) ** 2).sum(-1) - (direction**2).sum((0, 2))
        return bellman(q[..., 0], target) + self.work.diversity * pairs.mean() / (count - 1)


class CQL(SACN):
    """Conservative Q-learning, CQL(H) with a fixed weight: arXiv 2006.04779, eq. 4 and appendix F."""

    lowest_log_std = -20.0

    @torch.no_grad()
    def next_value(self, batch: Batch, temperature: Tensor) -> Tensor:
        action, _ = self.actor(batch.next_obs)
        return self.target(batch.next_obs, action).amin(0)

    def critic_loss(self, batch: Batch, target: Tensor) -> Tensor:
        rows, samples = len(batch.reward), self.work.samples
        actions, log_density = self.proposals(batch)
        every = torch.cat([batch.action[:, None], actions], dim=1)  # the data's own first: one product for all
        q = self.critics.of_many(batch.obs, every)
        taken, proposed = q[:, :, 0], q[:, :, 1:]
        log_integral = torch.logsumexp(proposed - log_density, dim=2) - math.log(3 * samples)
        return bellman(taken, target) + self.work.alpha * (log_integral - taken).sum() / rows

    @torch.no_grad()
    def proposals(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Uniform actions, those of the actor at s and at s' (s where there is none), and their log densities."""
        rows, samples = len(batch.reward), self.work.samples
        uniform = 2 * networks.uniform_noise((rows, samples, ACTIONS)) - 1
        next_obs = torch.where(batch.continues[:, None] > 0, batch.next_obs, batch.obs)
        own, density = self.actor.many(torch.cat([batch.obs, next_obs]), samples)
        flat = torch.full((rows, samples), -ACTIONS * math.log(2))
        return torch.cat([uniform, *own.chunk(2)], dim=1), torch.cat([flat, *density.chunk(2)], dim=1)


class DiscreteCQL:
    """CQL's regularizer on double DQN, with Huber's loss: arXiv 2006.04779, eq. 4; double DQN, 1509.06461."""

    pure = ("critic_loss",)

    def __init__(self, work: Work) -> None:
        self.work, self.step = work, 0
        self.critic = networks.MLP(1, OBS, work.hidden, CHOICES)
        self.target = frozen(self.critic)
        self.rate = adam(self.critic.parameters(), work.learning_rate)

    def update(self, batch: Batch) -> Losses:
        loss = self.critic_loss(batch)
        descend(loss, self.rate)
        self.step += 1
        if self.step % self.work.target_period == 0:
            track(self.target, self.critic, 1.0)
        return {"critic_loss": loss.detach()}

    def critic_loss(self, batch: Batch) -> Tensor:
        with torch.no_grad():
            best = self.critic(batch.next_obs)[0].argmax(1, keepdim=True)
            next_q = self.target(batch.next_obs)[0].gather(1, best)[:, 0]
            target = batch.reward + self.work.discount * batch.continues * next_q
        q = self.critic(batch.obs)[0]
        taken = q.gather(1, batch.action[:, None])[:, 0]
        conservative = (q.logsumexp(1) - taken).mean()
        return self.work.alpha * conservative + functional.huber_loss(taken, target)


class DT:
    """Decision Transformer: arXiv 2106.01345, algorithm 1."""

    pure = ("loss",)

    def __init__(self, work: Work) -> None:
        self.work = work
        self.model = TrajectoryModel(OBS, ACTIONS, HORIZON, work.layers, work.heads, work.width, work.dropout)
        parameters, decay = self.model.parameters(), work.weight_decay
        self.rate = torch.optim.AdamW(parameters, work.learning_rate, weight_decay=decay, fused=True)
        rise = lambda count: min((count + 1) / work.warmup, 1)
        self.rise = torch.optim.lr_scheduler.LambdaLR(self.rate, rise)

    def update(self, batch: Batch) -> Losses:
        loss = self.loss(batch)
        self.rate.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.work.clip)
        self.rate.step()
        self.rise.step()
        return {"actor_loss": loss.detach()}

    def loss(self, batch: Batch) -> Tensor:
        to_go = batch.return_to_go / self.work.return_scale
        prediction = self.model(batch.obs, batch.action, to_go, batch.timestep, batch.mask)
        square = ((batch.action - prediction) ** 2).mean(-1)
        return (batch.mask * square).sum() / batch.mask.sum()


class AWAC:
    """Advantage-weighted actor-critic: arXiv 2006.09359, algorithm 1."""

    pure = ("next_target", "critic_loss", "weight", "actor_loss")

    def __init__(self, work: Work) -> None:
        self.work = work
        self.actor = Gaussian(OBS, ACTIONS, work.actor_hidden)
        self.critics = Critics(2, OBS, ACTIONS, work.hidden)
        self.target = frozen(self.critics)
        self.actor_rate = adam(self.actor.parameters(), work.learning_rate, weight_decay=work.weight_decay)
        self.critic_rate = adam(self.critics.parameters(), work.learning_rate)

    def update(self, batch: Batch) -> Losses:
        critic_loss = self.critic_loss(batch, self.next_target(batch))
        descend(critic_loss, self.critic_rate)
        actor_loss = self.actor_loss(batch, self.weight(batch))
        descend(actor_loss, self.actor_rate)
        track(self.target, self.critics, self.work.target_rate)
        return {"critic_loss": critic_loss.detach(), "actor_loss": actor_loss.detach()}

    @torch.no_grad()
    def next_target(self, batch: Batch) -> Tensor:
        next_q = self.target(batch.next_obs, self.actor.sample(batch.next_obs)).amin(0)
        return batch.reward + self.work.discount * batch.continues * next_q

    def critic_loss(self, batch: Batch, target: Tensor) -> Tensor:
        return bellman(self.critics(batch.obs, batch.action), target)

    @torch.no_grad()
    def weight(self, batch: Batch) -> Tensor:
        value = self.critics(batch.obs, self.actor.sample(batch.obs)).amin(0)
        advantage = self.critics(batch.obs, batch.action).amin(0) - value
        return torch.exp(advantage / self.work.temperature).clamp(max=self.work.weight_clip)

    def actor_loss(self, batch: Batch, weight: Tensor) -> Tensor:
        return -(weight * self.actor.log_prob(batch.obs, batch.action)).mean()


class BCQ:
    """BCQ: arXiv 1812.02900, algorithm 1. The actor here is the perturbation of the autoencoder's actions."""

    pure = ("vae_loss", "next_target", "critic_loss", "actor_loss")

    def __init__(self, work: Work) -> None:
        self.work = work
        self.vae = VAE(OBS, ACTIONS, work.vae_hidden)
        self.actor = self.make_actor()
        self.critics = Critics(2, OBS, ACTIONS, work.hidden)
        self.target_actor, self.target_critics = frozen(self.actor), frozen(self.critics)
        self.vae_rate, self.actor_rate, self.critic_rate = (
            adam(model.parameters(), work.learning_rate) for model in (self.vae, self.actor, self.critics)
        )

    def make_actor(self) -> nn.Module:
        return networks.MLP(1, OBS + ACTIONS, self.work.hidden, ACTIONS)

    def update(self, batch: Batch) -> Losses:
        vae_loss = self.vae_loss(batch)
        descend(vae_loss, self.vae_rate)
        critic_loss = self.critic_loss(batch, self.next_target(batch))
        descend(critic_loss, self.critic_rate)
        actor_loss = self.improve(batch)
        track(self.target_actor, self.actor, self.work.target_rate)
        track(self.target_critics, self.critics, self.work.target_rate)
        losses = {"vae_loss": vae_loss, "critic_loss": critic_loss, "actor_loss": actor_loss}
        return {name: loss.detach() for name, loss in losses.items()}

    def vae_loss(self, batch: Batch) -> Tensor:
        return self.vae.loss(batch.obs, batch.action, self.work.kl_weight)

    @torch.no_grad()
    def next_target(self, batch: Batch) -> Tensor:
        q = self.target_critics.of_many(batch.next_obs, self.next_actions(batch.next_obs))
        mixed = self.work.smallest_share * q.amin(0) + (1 - self.work.smallest_share) * q.amax(0)
        return batch.reward + self.work.discount * batch.continues * mixed.amax(1)

    def critic_loss(self, batch: Batch, target: Tensor) -> Tensor:
        return bellman(self.critics(batch.obs, batch.action), target)

    def next_actions(self, obs: Tensor) -> Tensor:
        return self.proposed(self.target_actor, obs, self.work.target_samples)

    def improve(self, batch: Batch) -> Tensor:
        loss = self.actor_loss(batch)
        descend(loss, self.actor_rate)
        return loss

    def actor_loss(self, batch: Batch) -> Tensor:
        return -self.critics.first(batch.obs, self.proposed(self.actor, batch.obs, 1)[:, 0]).mean()

    def proposed(self, actor: nn.Module, obs: Tensor, count: int) -> Tensor:
        """The autoencoder's actions, each moved a little: (B, M, A)."""
        with torch.no_grad():
            drawn = torch.tanh(self.vae.many(obs, count))
        repeated = obs[:, None].expand(-1, count, -1)
        moved = torch.tanh(actor(torch.cat([repeated, drawn], dim=-1).flatten(0, 1))[0]).unflatten(0, drawn.shape[:2])
        return (drawn + self.work.perturbation * moved).clamp(-1, 1)


class BEAR(BCQ):
    """BEAR after its warm-up: arXiv 1906.00949, its actor held near the autoencoder's actions by a learned weight."""

    def __init__(self, work: Work) -> None:
        super().__init__(work)
        self.log_multiplier = nn.Parameter(torch.zeros(()))
        self.multiplier_rate = adam([self.log_multiplier], work.learning_rate)

    def make_actor(self) -> nn.Module:
        return Squashed(OBS, ACTIONS, self.work.hidden)

    def next_actions(self, obs: Tensor) -> Tensor:
        return self.target_actor.many(obs, self.work.target_samples)[0]

    def improve(self, batch: Batch) -> Tensor:
        loss, discrepancy = self.actor_loss(batch)
        descend(loss, self.actor_rate)
        descend(-self.log_multiplier.exp() * (discrepancy - self.work.threshold), self.multiplier_rate)
        with torch.no_grad():
            self.log_multiplier.clamp_(-5, 10)
        return loss

    def actor_loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """And the mean discrepancy, which the weight follows."""
        count = self.work.match_samples
        with torch.no_grad():
            data = self.vae.many(batch.obs, count)
        mean, log_std = (moment[:, None] for moment in self.actor.moments(batch.obs))
        own = mean + log_std.exp() * networks.noise((len(mean), count, ACTIONS)).clamp(-0.5, 0.5)
        discrepancy = mmd(data, own, self.work.bandwidth)
        q = self.critics.of_many(batch.obs, torch.tanh(own)).mean(2).amin(0)
        return (self.log_multiplier.detach().exp() * discrepancy - q).mean(), discrepancy.detach().mean()


def mmd(some: Tensor, others: Tensor, bandwidth: float) -> Tensor:
    """The discrepancy of two samples of each row by Laplace's kernel: (B, M, A) twice -> (B,)."""

    def mean_kernel(x: Tensor, y: Tensor) -> Tensor:
        distance = (x[:, :, None] - y[:, None]).abs().sum(-1)
        return torch.exp(-distance / (2 * bandwidth)).mean((1, 2))

    square = mean_kernel(some, some) - 2 * mean_kernel(some, others) + mean_kernel(others, others)
    return torch.sqrt(square + 1e-6)


METHODS: dict[str, Any] = {
    "td3-bc": TD3BC,
    "iql": IQL,
    "cql": CQL,
    "sac-n": SACN,
    "edac": EDAC,
    "dt": DT,
    "discrete-cql": DiscreteCQL,
    "awac": AWAC,
    "bcq": BCQ,
    "bear": BEAR,
}
