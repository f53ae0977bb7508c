"""d3rlpy's own `fit` on an `MDPDataset`, with its progress bar, logging, saving and evaluation off.

Each call is one epoch as long as the stretch. In the default epoch of 10,000 updates it would be slower: every tenth
update takes the mean of all losses of the epoch so far.
"""

import os
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import d3rlpy
import numpy as np
import torch
from d3rlpy.logging import NoopAdapterFactory
from d3rlpy.models import VectorEncoderFactory
from d3rlpy.optimizers import AdamFactory, AdamWFactory
from d3rlpy.optimizers.lr_schedulers import CosineAnnealingLRFactory, WarmupSchedulerFactory
from d3rlpy.preprocessing import StandardObservationScaler

from contenders import work as shapes
from contenders.protocol import Advance, serve
from contenders.work import Work


def prepare(work: Work, form: str) -> Advance:
    torch.manual_seed(0)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    algorithm, data = CONFIGS[work.method](work).create(device="cpu:0"), dataset(work.discrete)

    def advance(updates: int) -> int:
        algorithm.fit(
            data, n_steps=updates, n_steps_per_epoch=updates, logger_adapter=NoopAdapterFactory(), show_progress=False
        )
        return updates

    return advance


def dataset(discrete: bool) -> d3rlpy.dataset.MDPDataset:
    rows = shapes.rows(discrete)
    action = rows["action"][:, None] if discrete else rows["action"]
    ends = np.zeros(shapes.ROWS, np.float32), rows["truncated"].astype(np.float32)
    return d3rlpy.dataset.MDPDataset(rows["obs"], action, rows["reward"], *ends)


def perceptron(hidden: tuple[int, ...]) -> VectorEncoderFactory:
    return VectorEncoderFactory(hidden_units=list(hidden))


def common(work: Work) -> dict[str, Any]:
    """What the configurations of all actor-critics have."""
    return {
        "batch_size": work.batch_size,
        "gamma": work.discount,
        "tau": work.target_rate,
        "actor_learning_rate": work.settings.get("actor_learning_rate", work.learning_rate),
        "critic_learning_rate": work.learning_rate,
        "actor_encoder_factory": perceptron(work.settings.get("actor_hidden", work.hidden)),
        "critic_encoder_factory": perceptron(work.hidden),
        "n_critics": work.settings.get("critics", 2),
    }


def td3_bc(work: Work) -> Any:
    return d3rlpy.algos.TD3PlusBCConfig(
        **common(work),
        observation_scaler=StandardObservationScaler(eps=1e-3),
        target_smoothing_sigma=work.target_noise,
        target_smoothing_clip=work.noise_clip,
        alpha=work.alpha,
        update_actor_interval=work.actor_delay,
    )


def iql(work: Work) -> Any:
    decay = CosineAnnealingLRFactory(T_max=work.decay_steps)
    return d3rlpy.algos.IQLConfig(
        **common(work),
        value_encoder_factory=perceptron(work.hidden),
        actor_optim_factory=AdamFactory(lr_scheduler_factory=decay),
        expectile=work.expectile,
        weight_temp=work.temperature,
        max_weight=work.advantage_clip,
    )


def cql(work: Work) -> Any:
    """Without the learned multiplier (its rate is 0); the target is that of a sampled action as in no other code."""
    return d3rlpy.algos.CQLConfig(
        **common(work),
        temp_learning_rate=work.actor_learning_rate,
        alpha_learning_rate=0.0,
        conservative_weight=work.alpha,
        n_action_samples=work.samples,
    )


def discrete_cql(work: Work) -> Any:
    return d3rlpy.algos.DiscreteCQLConfig(
        batch_size=work.batch_size,
        gamma=work.discount,
        learning_rate=work.learning_rate,
        encoder_factory=perceptron(work.hidden),
        target_update_interval=work.target_period,
        alpha=work.alpha,
    )


def awac(work: Work) -> Any:
    return d3rlpy.algos.AWACConfig(
        **common(work), lam=work.temperature, actor_optim_factory=AdamFactory(weight_decay=work.weight_decay)
    )


def bcq(work: Work) -> Any:
    return d3rlpy.algos.BCQConfig(
        **common(work),
        imitator_learning_rate=work.learning_rate,
        imitator_encoder_factory=perceptron(work.vae_hidden),
        lam=work.smallest_share,
        n_action_samples=work.target_samples,
        action_flexibility=work.perturbation,
        beta=work.kl_weight,
    )


def bear(work: Work) -> Any:
    """After its warm-up."""
    return d3rlpy.algos.BEARConfig(
        **common(work),
        imitator_learning_rate=work.learning_rate,
        imitator_encoder_factory=perceptron(work.vae_hidden),
        temp_learning_rate=work.learning_rate,
        alpha_learning_rate=work.learning_rate,
        alpha_threshold=work.threshold,
        lam=work.smallest_share,
        n_target_samples=work.target_samples,
        n_mmd_action_samples=work.match_samples,
        mmd_sigma=work.bandwidth,
        vae_kl_weight=work.kl_weight,
        warmup_steps=0,
    )


def dt(work: Work) -> Any:
    rise = WarmupSchedulerFactory(warmup_steps=int(work.warmup))
    return d3rlpy.algos.DecisionTransformerConfig(
        batch_size=work.batch_size,
        learning_rate=work.learning_rate,
        observation_scaler=StandardObservationScaler(eps=1e-3),
        optim_factory=AdamWFactory(clip_grad_norm=work.clip, lr_scheduler_factory=rise, weight_decay=work.weight_decay),
        encoder_factory=VectorEncoderFactory(hidden_units=[work.width], exclude_last_activation=True),
        context_size=work.context,
        max_timestep=shapes.HORIZON + 1,
        num_heads=work.heads,
        num_layers=work.layers,
        attn_dropout=work.dropout,
        resid_dropout=work.dropout,
        embed_dropout=work.dropout,
    )


CONFIGS: dict[str, Callable[[Work], Any]] = {
    "td3-bc": td3_bc,
    "iql": iql,
    "cql": cql,
    "discrete-cql": discrete_cql,
    "awac": awac,
    "bcq": bcq,
    "bear": bear,
    "dt": dt,
}


def about() -> dict[str, str]:
    return {name: version(name) for name in ("d3rlpy", "torch")}


if __name__ == "__main__":
    serve(prepare, about)
