"""Compute per source → loss of a domain: the candidates of Chen et al. 2024, Table 3, for any number of sources.

Compute per source is ``C^s = w_s·C``. In the paper's product laws only the product of the scale constants is
determined by data, and in M3 only the ratios of the sources' weights: that is what is fitted here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import jax.numpy as jnp
import numpy as np
from jax import Array

from flpjax.ladder.features import Features
from flpjax.laws.law import REAL, Parameter, Params, centre_of, weighted_line
from flpjax.laws.sources import WorthLaw, check_floor, contrasts, log_weights, log_worth, numbered, worths


@dataclass(frozen=True)
class M2:
    """``L(C^1 … C^S) = Π_s (C^s / C_s)^{α_s}`` (Chen et al. 2024, Table 3, M2).

    ``log L = log_level + Σ_s α_s·(log C − centre + log w_s)``. A source without compute makes the loss 0 or infinite,
    unless a floor is set.

    Attributes:
        sources: Number of sources S.
        floor: A share ε that every source gets in addition, ``log(w_s + ε)``: a modelling choice. None for none.
        centre: log FLOPs at which, were all weights 1, ``log_level`` is the logarithm of the loss.
    """

    sources: int = 2
    floor: float | None = None
    centre: float = 48.0

    def __post_init__(self) -> None:
        check_floor(self.floor)

    @property
    def singular(self) -> bool:
        """Whether a weight of exactly 0 is refused."""
        return self.floor is None

    @property
    def mixtures_needed(self) -> int:
        """One a source: with S exponents along S directions."""
        return self.sources

    def parameters(self) -> Mapping[str, Parameter]:
        """Level and one exponent a source."""
        return {
            "log_level": Parameter(REAL, 0.5, 1.0, "log loss at the centre, all weights 1", affine="log"),
            "exponents": Parameter(
                REAL, 0.0, 0.1, "α_s, change of log loss per e-fold of a source's FLOPs", (self.sources,), "log"
            ),
        }

    def inputs(self) -> tuple[str, ...]:
        """C and the mixture."""
        return ("flops", "mix")

    def apply(self, params: Params, x: Features) -> Array:
        """Loss at the compute and mixture ``x`` of one run."""
        log_source = x.log_flops - self.centre + log_weights(x.weights, self.floor)
        return jnp.exp(params["log_level"] + jnp.dot(params["exponents"], log_source))

    def guess(self, x: Features, y: Array, weight: Array) -> Params:
        """The straight line through the logarithms, its slope shared by the sources."""
        level, exponent = weighted_line(x.log_flops - self.centre, jnp.log(jnp.maximum(y, 1e-6)), weight)
        return {"log_level": level, "exponents": jnp.full((self.sources,), exponent / self.sources)}

    def constants(self, params: Params) -> dict[str, Array]:
        """``log_K``, minus the logarithm of ``Π_s C_s^{α_s}``, and ``alpha_1`` … ``alpha_S``."""
        total = params["exponents"].sum()
        return {"log_K": params["log_level"] - self.centre * total} | numbered("alpha", params["exponents"])

    def centred(self, x: Features) -> Self:
        """For the sources of these runs, centred on their geometric mean FLOPs."""
        return replace(self, sources=np.shape(x.weights)[-1], centre=centre_of(x.log_flops))


@dataclass(frozen=True)
class M3:
    """``L(C^1 … C^S) = (Σ_s w_s·C^s / C_T)^{α_C}`` (Chen et al. 2024, Table 3, M3): a token's worth by its source.

    ``log L = log_level + α_C·(log C − centre + log Σ_s weight_s·e^{κ_s})`` with ``Σ_s κ_s = 0``: finite and smooth for
    mixtures without some source.

    Attributes:
        sources: Number of sources S.
        centre: log FLOPs at which ``log_level`` is the logarithm of the loss, for a mixture of worth 1.
    """

    sources: int = 2
    centre: float = 48.0
    singular = False
    no_irreducible_loss = True  # as a loss it falls to 0

    @property
    def mixtures_needed(self) -> int:
        """One a source: the worths of S sources relative to each other, and the level."""
        return self.sources

    def parameters(self) -> Mapping[str, Parameter]:
        """Level, exponent, and S − 1 contrasts of the logarithms of worth."""
        return {
            "log_level": Parameter(REAL, 0.5, 1.0, "log loss at the centre", affine="log"),
            "exponent": Parameter(REAL, -0.05, 0.05, "α_C, change of log loss per e-fold of effective FLOPs"),
            "worth": Parameter(REAL, 0.0, 1.5, "contrasts of the log worth of the sources", (self.sources - 1,)),
        }

    def inputs(self) -> tuple[str, ...]:
        """C and the mixture."""
        return ("flops", "mix")

    def apply(self, params: Params, x: Features) -> Array:
        """Loss at the compute and mixture ``x`` of one run."""
        effective = x.log_flops - self.centre + log_worth(params["worth"], x.weights)
        return jnp.exp(params["log_level"] + params["exponent"] * effective)

    def worth_law(self, params: Params, x: Features) -> WorthLaw:
        """The law at the compute ``x``, for any mixture."""
        log_rest = params["log_level"] + params["exponent"] * (x.log_flops - self.centre)
        return WorthLaw(jnp.zeros_like(log_rest), log_rest, -params["exponent"], worths(params["worth"]))

    def guess(self, x: Features, y: Array, weight: Array) -> Params:
        """The straight line through the logarithms, all sources worth the same."""
        level, exponent = weighted_line(x.log_flops - self.centre, jnp.log(jnp.maximum(y, 1e-6)), weight)
        return {"log_level": level, "exponent": exponent, "worth": jnp.zeros((self.sources - 1,))}

    def constants(self, params: Params) -> dict[str, Array]:
        """``C_T`` in FLOPs, ``alpha_C``, and the worths ``w_1`` … ``w_S``, whose geometric mean is 1."""
        return {
            "C_T": jnp.exp(self.centre - params["log_level"] / params["exponent"]),
            "alpha_C": params["exponent"],
        } | numbered("w", jnp.exp(contrasts(self.sources) @ params["worth"]))

    def centred(self, x: Features) -> Self:
        """For the sources of these runs, centred on their geometric mean FLOPs."""
        return replace(self, sources=np.shape(x.weights)[-1], centre=centre_of(x.log_flops))


@dataclass(frozen=True)
class M4:
    """``L(C^1 … C^S) = (C / C_T)^{α_C} · Π_s (C^s / C_s)^{α_s}`` (Chen et al. 2024, eq. 5; called M4 in Table 3).

    ``log L = log_level + exponent·(log C − centre) + Σ_s α_s·log w_s``, where the exponent of compute is
    ``α_C + Σ_s α_s``. A source without compute makes the loss 0 or infinite, unless a floor is set.

    Attributes:
        sources: Number of sources S.
        floor: A share ε that every source gets in addition, ``log(w_s + ε)``: a modelling choice. None for none.
        centre: log FLOPs at which, were all weights 1, ``log_level`` is the logarithm of the loss.
    """

    sources: int = 2
    floor: float | None = None
    centre: float = 48.0

    def __post_init__(self) -> None:
        check_floor(self.floor)

    @property
    def singular(self) -> bool:
        """Whether a weight of exactly 0 is refused."""
        return self.floor is None

    @property
    def mixtures_needed(self) -> int:
        """One a source for its exponent, one for the level."""
        return self.sources + 1

    def parameters(self) -> Mapping[str, Parameter]:
        """Level, the exponent of all compute, and one exponent a source."""
        return {
            "log_level": Parameter(REAL, 0.5, 1.0, "log loss at the centre, all weights 1", affine="log"),
            "exponent": Parameter(REAL, 0.0, 0.2, "change of log loss per e-fold of FLOPs, same mixture", affine="log"),
            "exponents": Parameter(
                REAL, 0.0, 0.1, "α_s, change of log loss per e-fold of a source's weight", (self.sources,), "log"
            ),
        }

    def inputs(self) -> tuple[str, ...]:
        """C and the mixture."""
        return ("flops", "mix")

    def apply(self, params: Params, x: Features) -> Array:
        """Loss at the compute and mixture ``x`` of one run."""
        mixed = jnp.dot(params["exponents"], log_weights(x.weights, self.floor))
        return jnp.exp(params["log_level"] + params["exponent"] * (x.log_flops - self.centre) + mixed)

    def guess(self, x: Features, y: Array, weight: Array) -> Params:
        """The straight line through the logarithms, the mixture without effect."""
        level, exponent = weighted_line(x.log_flops - self.centre, jnp.log(jnp.maximum(y, 1e-6)), weight)
        return {"log_level": level, "exponent": exponent, "exponents": jnp.zeros((self.sources,))}

    def constants(self, params: Params) -> dict[str, Array]:
        """``log_K``, minus the logarithm of ``C_T^{α_C}·Π_s C_s^{α_s}``; ``alpha_C``, ``alpha_1`` … ``alpha_S``."""
        return {
            "log_K": params["log_level"] - self.centre * params["exponent"],
            "alpha_C": params["exponent"] - params["exponents"].sum(),
        } | numbered("alpha", params["exponents"])

    def centred(self, x: Features) -> Self:
        """For the sources of these runs, centred on their geometric mean FLOPs."""
        return replace(self, sources=np.shape(x.weights)[-1], centre=centre_of(x.log_flops))
