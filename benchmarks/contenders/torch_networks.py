"""The networks of Mooring's methods in PyTorch, as a lean loop has them: an ensemble is one batched product a layer."""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

noise = torch.randn  # so that a comparison with other code can put known numbers here
uniform_noise = torch.rand


class MLP(nn.Module):
    """N perceptrons of one form, (B, I) or (N, B, I) -> (N, B, O); with N = 1 the axis stays."""

    def __init__(self, count: int, inputs: int, hidden: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        self.count = count
        sizes = list(pairwise((inputs, *hidden, outputs)))
        self.weights = nn.ParameterList(within(i**-0.5, count, i, o) for i, o in sizes)
        self.biases = nn.ParameterList(within(i**-0.5, count, 1, o) for i, o in sizes)

    def forward(self, x: Tensor) -> Tensor:
        x = x.expand(self.count, *x.shape[-2:])
        for weight, bias in list(zip(self.weights, self.biases, strict=True))[:-1]:
            x = functional.relu(torch.baddbmm(bias, x, weight))
        return torch.baddbmm(self.biases[-1], x, self.weights[-1])

    def first(self, x: Tensor) -> Tensor:
        """The first perceptron's answer alone, (B, I) -> (B, O)."""
        for weight, bias in list(zip(self.weights, self.biases, strict=True))[:-1]:
            x = functional.relu(torch.addmm(bias[0], x, weight[0]))
        return torch.addmm(self.biases[-1][0], x, self.weights[-1][0])

    def with_slope(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What `forward` gives of (N, B, I), and the gradient of its only output by x, which can be differentiated."""
        signs = []
        for weight, bias in list(zip(self.weights, self.biases, strict=True))[:-1]:
            x = functional.relu(torch.baddbmm(bias, x, weight))
            signs.append((x > 0).to(x.dtype))
        slope = self.weights[-1].transpose(1, 2)
        for weight, sign in zip(list(self.weights)[-2::-1], signs[::-1], strict=True):
            slope = torch.bmm(slope * sign, weight.transpose(1, 2))
        return torch.baddbmm(self.biases[-1], x, self.weights[-1]), slope


def within(bound: float, *shape: int) -> nn.Parameter:
    return nn.Parameter(torch.empty(shape).uniform_(-bound, bound))


class Critics(nn.Module):
    """Q_1 .. Q_N of observations and actions, (N, B)."""

    def __init__(self, count: int, obs: int, action: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        self.net = MLP(count, obs + action, hidden, 1)

    def forward(self, obs: Tensor, action: Tensor) -> Tensor:
        return self.net(torch.cat([obs, action], dim=-1))[..., 0]

    def first(self, obs: Tensor, action: Tensor) -> Tensor:
        """Q_1 alone, (B,)."""
        return self.net.first(torch.cat([obs, action], dim=-1))[:, 0]

    def of_many(self, obs: Tensor, actions: Tensor) -> Tensor:
        """Of M actions for each row, (B, M, A) -> (N, B, M)."""
        repeated = obs[:, None].expand(-1, actions.shape[1], -1).flatten(0, 1)
        return self(repeated, actions.flatten(0, 1)).unflatten(1, actions.shape[:2])


class Deterministic(nn.Module):
    """tanh(f(s))."""

    def __init__(self, obs: int, action: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        self.net = MLP(1, obs, hidden, action)

    def forward(self, obs: Tensor) -> Tensor:
        return torch.tanh(self.net(obs)[0])


class Gaussian(nn.Module):
    """N(tanh(f(s)), sigma^2), the same sigma in all states."""

    def __init__(self, obs: int, action: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        self.net = MLP(1, obs, hidden, action)
        self.log_std = nn.Parameter(torch.zeros(action))

    def log_prob(self, obs: Tensor, action: Tensor) -> Tensor:
        log_std = self.log_std.clamp(-5, 2)
        return normal_log_density(action, torch.tanh(self.net(obs)[0]), log_std).sum(-1)

    def sample(self, obs: Tensor) -> Tensor:
        mean = torch.tanh(self.net(obs)[0])
        return (mean + self.log_std.clamp(-5, 2).exp() * noise(mean.shape)).clamp(-1, 1)


class Squashed(nn.Module):
    """tanh(u), u from N(mean(s), std(s)^2); gives actions with the log of their density."""

    def __init__(self, obs: int, action: int, hidden: tuple[int, ...], lowest_log_std: float = -20) -> None:
        super().__init__()
        self.net = MLP(1, obs, hidden, 2 * action)
        self.lowest = lowest_log_std

    def moments(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = self.net(obs)[0].chunk(2, dim=-1)
        return mean, log_std.clamp(self.lowest, 2)

    def forward(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = self.moments(obs)
        return squashed(mean, log_std, noise(mean.shape))

    def many(self, obs: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """`count` actions for each row, (B, M, A), whose moments are computed once."""
        mean, log_std = (moment[:, None] for moment in self.moments(obs))
        return squashed(mean, log_std, noise((obs.shape[0], count, mean.shape[-1])))


def squashed(mean: Tensor, log_std: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
    before = mean + log_std.exp() * drawn
    log_slope = 2 * (math.log(2) - before - functional.softplus(-2 * before))
    return torch.tanh(before), (normal_log_density(before, mean, log_std) - log_slope).sum(-1)


def normal_log_density(x: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    return -0.5 * ((x - mean) * torch.exp(-log_std)) ** 2 - log_std - 0.5 * math.log(2 * math.pi)


class VAE(nn.Module):
    """An encoder q(z|s, a) and a decoder of actions; z is twice as long as an action."""

    def __init__(self, obs: int, action: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        self.latent = 2 * action
        self.encoder = MLP(1, obs + action, hidden, 2 * self.latent)
        self.decoder = MLP(1, obs + self.latent, hidden, action)

    def loss(self, obs: Tensor, action: Tensor, kl_weight: float) -> Tensor:
        """The negative evidence lower bound from one z for each row."""
        mean, log_std = self.encoder(torch.cat([obs, action], dim=-1))[0].chunk(2, dim=-1)
        log_std = log_std.clamp(-4, 15)
        std = log_std.exp()
        decoded = torch.tanh(self.decode(obs, mean + std * noise(mean.shape)))
        divergence = 0.5 * (mean**2 + std**2 - 1 - 2 * log_std).mean()
        return ((decoded - action) ** 2).mean() + kl_weight * divergence

    def decode(self, obs: Tensor, latent: Tensor) -> Tensor:
        """Before the tanh."""
        return self.decoder(torch.cat([obs, latent], dim=-1))[0]

    def many(self, obs: Tensor, count: int) -> Tensor:
        """Of `count` latent vectors for each row, cut off at 0.5, before the tanh: (B, M, A)."""
        latent = noise((obs.shape[0] * count, self.latent)).clamp(-0.5, 0.5)
        return self.decode(obs.repeat_interleave(count, 0), latent).unflatten(0, (-1, count))


class Block(nn.Module):
    """Causal attention, then a perceptron four times as wide, each fed by a normalized copy of what it is added to."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.inputs, self.output = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.heads, self.dropout = heads, dropout

    def forward(self, x: Tensor, visible: Tensor) -> Tensor:
        parts = self.inputs(self.norms[0](x)).chunk(3, dim=-1)
        heads = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        mixed = functional.scaled_dot_product_attention(*heads, attn_mask=visible, dropout_p=self.dropout)
        x = x + self.dropped(self.output(mixed.transpose(1, 2).flatten(2)))
        return x + self.dropped(self.narrow(functional.relu(self.wide(self.norms[1](x)))))

    def dropped(self, x: Tensor) -> Tensor:
        return functional.dropout(x, self.dropout)


class TrajectoryModel(nn.Module):
    """The Decision Transformer: tokens of returns, observations and actions; actions out."""

    def __init__(self, obs: int, action: int, horizon: int, layers: int, heads: int, width: int, dropout: float):
        super().__init__()
        self.of_return, self.of_obs, self.of_action = (nn.Linear(size, width) for size in (1, obs, action))
        self.of_timestep = nn.Embedding(horizon, width)
        self.norm, self.last_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.blocks = nn.ModuleList(Block(width, heads, dropout) for _ in range(layers))
        self.head, self.dropout = nn.Linear(width, action), dropout

    def forward(self, obs: Tensor, action: Tensor, to_go: Tensor, timestep: Tensor, mask: Tensor) -> Tensor:
        time = self.of_timestep(timestep)
        parts = self.of_return(to_go[..., None]), self.of_obs(obs), self.of_action(action)
        tokens = torch.stack([part + time for part in parts], dim=2).flatten(1, 2)
        x = functional.dropout(self.norm(tokens), self.dropout)
        visible = causal(mask)
        for block in self.blocks:
            x = block(x, visible)
        return torch.tanh(self.head(self.last_norm(x)[:, 1::3]))


def causal(mask: Tensor) -> Tensor:
    """Which tokens each token sees, (B, 1, 3T, 3T): real ones up to itself, and itself."""
    real = mask.repeat_interleave(3, dim=1) > 0
    size = real.shape[1]
    lower, own = torch.ones(size, size, dtype=torch.bool).tril(), torch.eye(size, dtype=torch.bool)
    return (lower & (real[:, None] | own))[:, None]
