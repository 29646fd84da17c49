"""Tokens per source → loss of a domain, each source with a power of its own: the law for many sources and few runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import jax.numpy as jnp
import numpy as np
from jax import Array

from flpjax.ladder.features import Features
from flpjax.laws.law import POSITIVE, REAL, Parameter, Params, centre_of
from flpjax.laws.sources import numbered

TINY = 1e-6  # a share that keeps derivatives finite where a source has no tokens, too small to change a loss


@dataclass(frozen=True)
class PowerMix:
    """``L(D_1 … D_S) = c + B·(1 + Σ_s (D_s / d_s)^{g_s})^{−α}`` of the tokens ``D_s = w_s·D`` of each source.

    M3 (Chen et al. 2024, Table 3) with an irreducible loss, a floor, and powers of the sources: the first tokens of a
    source teach most. For models of one size; ranks of mixtures carry over to others, with D_s as many times larger. It
    is fitted to standardised losses, zero the lowest and one a standard deviation, which is what its priors are for.

    Attributes:
        sources: Number of sources S.
        centre: log tokens D in whose units the worths are.
    """

    sources: int = 2
    centre: float = 24.0
    singular = False
    standardised = True
    prior_regularised = True  # by its priors: it may have more parameters than runs
    prior_sd = 0.1  # residual s.d. that the priors are weighed against

    @property
    def mixtures_needed(self) -> int:
        """With its priors, any few."""
        return 2

    def parameters(self) -> Mapping[str, Parameter]:
        """Asymptote and size of what falls, its exponent, and worth and power of the sources."""
        return {
            "low": Parameter(REAL, -1.0, 2.0, "c, the loss with all data, s.d. from the lowest", affine="linear"),
            "height": Parameter(POSITIVE, 1.0, 0.5, "B, what a model without data has more, s.d."),
            "decay": Parameter(POSITIVE, -1.5, 0.5, "α"),
            "all_worth": Parameter(REAL, 3.0, 2.0, "log worth of all sources' tokens"),
            "power": Parameter(POSITIVE, -0.5, 0.3, "g, of all sources"),
            "worth": Parameter(REAL, 0.0, 1.5, "a source's own log worth", (self.sources,)),
            "own_power": Parameter(REAL, 0.0, 0.1, "log of a source's own power, over g", (self.sources,)),
        }

    def inputs(self) -> tuple[str, ...]:
        """D and the mixture."""
        return ("tokens", "mix")

    def apply(self, params: Params, x: Features) -> Array:
        """Standardised loss at the tokens and mixture ``x`` of one run."""
        log_tokens = jnp.log(x.weights + TINY) + x.log_tokens - self.centre
        power = params["power"] * jnp.exp(params["own_power"])
        learnt = jnp.sum(jnp.exp(power * log_tokens + params["all_worth"] + params["worth"]))
        return params["low"] + params["height"] * jnp.exp(-params["decay"] * jnp.log1p(learnt))

    def guess(self, x: Features, y: Array, weight: Array) -> Params:
        """The priors' middle."""
        table = self.parameters()
        return {name: p.bijector(jnp.full(p.shape, p.loc, y.dtype)) for name, p in table.items()}

    def constants(self, params: Params) -> dict[str, Array]:
        """``c`` and ``B`` in standard deviations, ``alpha``, powers ``g_1`` …, and ``d_1`` … in tokens."""
        powers = params["power"] * jnp.exp(params["own_power"])
        scale = jnp.exp(self.centre - (params["all_worth"] + params["worth"]) / powers)
        constants = {"c": params["low"], "B": params["height"], "alpha": params["decay"]}
        return constants | numbered("g", powers) | numbered("d", scale)

    def centred(self, x: Features) -> Self:
        """For the sources of these runs, in units of their geometric mean tokens."""
        return replace(self, sources=np.shape(x.weights)[-1], centre=centre_of(x.log_tokens))
