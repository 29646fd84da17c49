"""Training: all models of a size in one program, from one checkpoint to the next without a return to Python."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from benchmarks.ladder.config import Plan, Size, Training
from benchmarks.ladder.model import Decoder, log_probs
from benchmarks.ladder.runs import Run


class Text(NamedTuple):
    """The training text on the device: the general source, then the code."""

    text: jax.Array  # (byte,) uint8
    code_starts: jax.Array  # () where the code starts


class Models(NamedTuple):
    """The models of a size; every leaf has a leading model axis."""

    weights: Any
    moments: optax.OptState
    key: jax.Array  # (model,) the order of the text
    code: jax.Array  # (model,) share of code
    haste: jax.Array  # (model,) what the learning rate is multiplied by


def anatomy(size: Size, compute: str) -> nnx.GraphDef[Decoder]:
    """A decoder without its weights."""
    return nnx.split(nnx.eval_shape(lambda: Decoder(size, jnp.dtype(compute), nnx.Rngs(0))))[0]


def first_models(plan: Plan, training: Training, compute: str, runs: Sequence[Run]) -> Models:
    """Models before their first step.

    Args:
        plan: Of their size.
        training: How they are trained.
        compute: dtype of activations.
        runs: One a model.
    """

    def weights(key: jax.Array) -> nnx.State[Any, Any]:
        return nnx.state(Decoder(plan.size, jnp.dtype(compute), nnx.Rngs(key)), nnx.Param)

    keys = jax.vmap(jax.random.split)(jnp.stack([run.key() for run in runs]))
    first = jax.jit(jax.vmap(weights))(keys[:, 0])
    code, haste = (jnp.array([getattr(run, name) for run in runs], jnp.float32) for name in ("code", "haste"))
    return Models(first, jax.vmap(_optimiser(plan, training).init)(first), keys[:, 1], code, haste)


def segment(plan: Plan, training: Training, compute: str) -> jax.stages.Wrapped:
    """The compiled program of the steps between two checkpoints.

    It takes models, whose memory it reuses, the text, and the number of the first step; it returns the models and
    ``(model,)`` the mean training loss, nats per byte.
    """
    graph, optimiser = anatomy(plan.size, compute), _optimiser(plan, training)

    def loss_of(weights: Any, drawn: jax.Array) -> jax.Array:
        return -log_probs(nnx.merge(graph, weights)(drawn[:, :-1]), drawn[:, 1:]).mean()

    def one_step(text: Text, model: Models, step: jax.Array) -> tuple[Models, jax.Array]:
        drawn = windows(jax.random.fold_in(model.key, step), text, model.code, plan.batch, plan.size.context)
        loss, gradient = jax.value_and_grad(loss_of)(model.weights, drawn)
        updates, moments = optimiser.update(gradient, model.moments, model.weights)
        updates = jax.tree.map(lambda update: model.haste * update, updates)
        return model._replace(weights=optax.apply_updates(model.weights, updates), moments=moments), loss

    def one_model(model: Models, text: Text, first: jax.Array) -> tuple[Models, jax.Array]:
        model, losses = jax.lax.scan(partial(one_step, text), model, first + jnp.arange(plan.steps_each))
        return model, losses.mean()

    return jax.jit(jax.vmap(one_model, in_axes=(0, None, None)), donate_argnums=0)


def windows(key: jax.Array, text: Text, code: jax.Array, batch: int, context: int) -> jax.Array:
    """Draw ``(sequence, byte + 1)`` windows of the text, code among them by its share.

    The share is stratified over a batch: it is met to within one sequence in each, and exactly on average.

    Args:
        key: JAX random key.
        text: The training text.
        code: () share of code.
        batch: Sequences.
        context: Bytes a sequence, less the one that follows it.
    """
    which, where = jax.random.split(key)
    place = (jnp.arange(batch) + jax.random.uniform(which)) / batch
    is_code = place < code
    low = jnp.where(is_code, text.code_starts, 0)
    high = jnp.where(is_code, text.text.size, text.code_starts) - context
    start = jax.random.randint(where, (batch,), low, high)
    return text.text[start[:, None] + jnp.arange(context + 1)].astype(jnp.int32)


def _optimiser(plan: Plan, training: Training) -> optax.GradientTransformation:
    """AdamW on matrices, Adam on scales; a warm-up, then a cosine."""
    rate = optax.warmup_cosine_decay_schedule(
        0.0,
        plan.rate,
        warmup_steps=max(1, round(training.warmup * plan.steps)),
        decay_steps=plan.steps,
        end_value=training.final_rate * plan.rate,
    )
    return optax.chain(
        optax.clip_by_global_norm(training.clip),
        optax.adamw(
            rate,
            b1=0.9,
            b2=0.95,
            weight_decay=training.weight_decay,
            mask=lambda weights: jax.tree.map(lambda w: w.ndim > 1, weights),
        ),
    )
