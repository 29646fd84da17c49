"""What one run would tell about a target, as a pure JAX function of the run's features: batched and differentiable."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from flpjax.errors import InputError
from flpjax.fitting.draws import Draws, refuse_unfitted
from flpjax.ladder.features import Features
from flpjax.results.completion import completed, with_mixture
from flpjax.results.selection.conditioning import gains_from_covariances
from flpjax.results.selection.next_runs import chosen_outputs, expected_outputs, near_median, noise_of, weights_of
from flpjax.results.target import Target

Gain = Callable[[Features], Array]
"""Features of ONE run, without leading axes → the share of the target's variance that it would remove."""


def expected_gain(
    draws: Draws, target: Target, *, domains: Sequence[str] | None = None, tasks: Sequence[str] | None = None
) -> Gain:
    """The share of a target's variance that a run would remove, as a function of the run's features.

    It is the value of a candidate that :func:`flpjax.next_runs` reports as ``alone``: draws of the run's measurement
    and of the target are treated as jointly normal, so that no law is fitted again. ``jax.vmap`` evaluates many runs,
    ``jax.grad`` says in which direction of log N, log D, mixture or any other feature a run would tell more.

    Args:
        draws: With intervals.
        target: What is to be known.
        domains: Losses that count; None as for :func:`flpjax.next_runs`.
        tasks: Scores that count.

    Raises:
        InputError: The draws have no intervals, or an output is not forecast.
    """
    refuse_unfitted(draws)
    if not draws.has_intervals:
        raise InputError(
            draws.why_no_intervals or "one draw has no interval",
            where="expected_gain",
            remedy="Fit auto, or ask for draws",
        )
    outputs = chosen_outputs(draws, domains, tasks)
    whole = completed(with_mixture(target, draws), draws.ladder)
    wanted = expected_outputs(draws, [whole], outputs)[:, 0]
    usable = np.flatnonzero(np.isfinite(wanted).all(axis=1))
    usable = usable[near_median(wanted[usable])]
    wanted = wanted[usable]
    weight = weights_of(wanted) / len(outputs)
    deviation = (wanted - wanted.mean(axis=0)) / np.sqrt(len(wanted))
    variance = float((deviation**2).sum(axis=0) @ weight)
    noise = noise_of(draws, outputs) ** 2
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf)[usable], draws.params)
    model = draws.model
    losses, scores = ([o.at for o in outputs if o.kind == kind] for kind in ("loss", "score"))
    order = np.argsort([k for kind in ("loss", "score") for k, o in enumerate(outputs) if o.kind == kind])

    def gain(x: Features) -> Array:
        loss, score = jax.vmap(lambda p: model.apply(p, x))(params)
        seen = jnp.concatenate([jnp.log(loss[:, losses]), score[:, scores]], axis=1)[:, order]  # (draw, output)
        centred = (seen - seen.mean(axis=0, keepdims=True)) / np.sqrt(len(wanted))
        cross, covariance = centred.T @ deviation, centred.T @ centred
        return gains_from_covariances(cross[None], covariance[None], noise[None], weight, jnp)[0] / variance

    return gain
