"""Mixture → loss of a domain: the laws that followed the paper's, all finite where a source has no compute but BiMix.

Worth is as in :class:`~flpjax.laws.mixture_loss.M3`: what a token of a source does for the domain, relative to the
sources' geometric mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import jax.numpy as jnp
import numpy as np
from jax import Array

from flpjax.ladder.features import Features
from flpjax.laws.law import POSITIVE, REAL, UNIT, Parameter, Params, centre_of
from flpjax.laws.sources import WorthLaw, check_floor, contrasts, log_worth, numbered, worths


@dataclass(frozen=True)
class MixExponential:
    """``L(w) = c + k·e^{Σ_s t_s·w_s}``: data mixing law (Ye et al. 2024, eq. 1), at one size and budget.

    olmix (Ai2 2025) calls it log-linear and leaves k out, which on the simplex is the same law: a constant added to
    all t does what k does. Fitted as the loss at the mean mixture, the share c of it, and S − 1 contrasts of t.

    Attributes:
        centre: ``(source,)`` the mixture at which ``log_level`` is the logarithm of the loss.
    """

    centre: tuple[float, ...] = (0.5, 0.5)
    singular = False

    @property
    def sources(self) -> int:
        """Number of sources S."""
        return len(self.centre)

    @property
    def mixtures_needed(self) -> int:
        """One a source for t, one for the curvature."""
        return self.sources + 1

    def parameters(self) -> Mapping[str, Parameter]:
        """Loss at the mean mixture, its constant share, and slopes."""
        return {
            "log_level": Parameter(REAL, 0.5, 1.0, "log loss at the mean mixture", affine="log"),
            "share": Parameter(UNIT, 1.0, 1.0, "share of it that no mixture changes"),
            "slopes": Parameter(REAL, 0.0, 3.0, "contrasts of t", (self.sources - 1,)),
        }

    def inputs(self) -> tuple[str, ...]:
        """The mixture."""
        return ("mix",)

    def apply(self, params: Params, x: Features) -> Array:
        """Loss at the mixture ``x`` of one run; its compute has no say."""
        departure = x.weights - jnp.array(self.centre, x.weights.dtype)
        rest = jnp.exp(jnp.dot(contrasts(self.sources) @ params["slopes"], departure))
        return jnp.exp(params["log_level"]) * (params["share"] + (1.0 - params["share"]) * rest)

    def guess(self, x: Features, y: Array, weight: Array) -> Params:
        """60 % of the mean loss is constant, and nothing depends on the mixture."""
        mean = jnp.sum(weight * y) / jnp.sum(weight)
        flat = jnp.zeros((self.sources - 1,), y.dtype)
        return {"log_level": jnp.log(mean), "share": jnp.full_like(mean, 0.6), "slopes": flat}

    def constants(self, params: Params) -> dict[str, Array]:
        """``c``, ``k`` and ``t_1`` … ``t_S``, which sum to 0."""
        slopes, level = contrasts(self.sources) @ params["slopes"], jnp.exp(params["log_level"])
        at_zero = jnp.exp(-jnp.dot(slopes, jnp.array(self.centre)))
        constants = {"c": level * params["share"], "k": level * (1.0 - params["share"]) * at_zero}
        return constants | numbered("t", jnp.asarray(slopes))

    def centred(self, x: Features) -> Self:
        """Centred on the mean mixture of these runs."""
        return replace(self, centre=tuple(round(float(w), 3) for w in np.mean(x.weights, axis=0)))


@dataclass(frozen=True)
class BiMix:
    """``L(r, D) = A / r^α · (B / D^β + C)`` of a domain's own share r (Ge et al. 2024, eq. 5).

    It knows nothing but the weight of the source that is named as the domain is, which must come first in ``weights``.

    Attributes:
        sources: Number of sources S.
        floor: A share ε in addition to r: a modelling choice. None for none; r = 0 is then refused.
        centre: log tokens at which, at r = 1, ``log_level`` is the logarithm of the loss.
    """

    sources: int = 2
    floor: float | None = None
    centre: float = 24.0
    own_first = True
    mixtures_needed = 2

    def __post_init__(self) -> None:
        check_floor(self.floor)

    @property
    def singular(self) -> bool:
        """Whether a weight of exactly 0 is refused."""
        return self.floor is None

    def parameters(self) -> Mapping[str, Parameter]:
        """Level, exponent of the own share, and how the loss falls with tokens."""
        return {
            "log_level": Parameter(REAL, 0.5, 1.0, "log loss at the centre and r = 1", affine="log"),
            "alpha": Parameter(REAL, 0.05, 0.1, "−change of log loss per e-fold of the own share", affine="log"),
            "share": Parameter(UNIT, 0.0, 1.0, "share of the loss that tokens don't change"),
            "beta": Parameter(POSITIVE, -1.1, 0.5, "decay of the rest per e-fold of tokens"),
        }

    def inputs(self) -> tuple[str, ...]:
        """D and the mixture."""
        return ("tokens", "mix")

    def apply(self, params: Params, x: Features) -> Array:
        """Loss at the tokens and own share ``x.weights[0]`` of one run."""
        own = jnp.log(x.weights[0] + (self.floor or 0.0))
        rest = params["share"] + (1.0 - params["share"]) * jnp.exp(-params["beta"] * (x.log_tokens - self.centre))
        return jnp.exp(params["log_level"] - params["alpha"] * own) * rest

    def guess(self, x: Features, y: Array, weight: Array) -> Params:
        """Half of the mean loss constant, no effect of the mixture."""
        mean = jnp.sum(weight * y) / jnp.sum(weight)
        half, third = jnp.full_like(mean, 0.5), jnp.full_like(mean, 1 / 3)
        return {"log_level": jnp.log(mean), "alpha": jnp.zeros_like(mean), "share": half, "beta": third}

    def constants(self, params: Params) -> dict[str, Array]:
        """``alpha``, ``beta``, and with A taken as 1, ``B`` and ``C``."""
        level = jnp.exp(params["log_level"])
        return {
            "alpha": params["alpha"],
            "beta": params["beta"],
            "B": level * (1.0 - params["share"]) * jnp.exp(params["beta"] * self.centre),
            "C": level * params["share"],
        }

    def centred(self, x: Features) -> Self:
        """For the sources of these runs, centred on their geometric mean tokens."""
        return replace(self, sources=np.shape(x.weights)[-1], centre=centre_of(x.log_tokens))


@dataclass(frozen=True)
class M3E:
    """``L(C^1 … C^S) = E + (Σ_s w_s·C^s / C_T)^{α_C}``: M3 (Chen et al. 2024, Table 3) that levels off at a loss E.

    What :class:`~flpjax.laws.power_law.PowerLawE` is to a power law: a loss that bends in logarithms is followed.

    Attributes:
        sources: Number of sources S.
        centre: log FLOPs at which ``log_level`` is the logarithm of the loss, for a mixture of worth 1.
    """

    sources: int = 2
    centre: float = 48.0
    singular = False

    @property
    def mixtures_needed(self) -> int:
        """One a source."""
        return self.sources

    def parameters(self) -> Mapping[str, Parameter]:
        """Loss at the centre, its irreducible share, the decay of the rest, and the worths."""
        return {
            "log_level": Parameter(REAL, 0.5, 1.0, "log loss at the centre"),
            "share": Parameter(UNIT, 0.0, 1.0, "share of it that is irreducible"),
            "decay": Parameter(POSITIVE, -2.0, 0.7, "−α_C, decay of the rest per e-fold of effective FLOPs"),
            "worth": Parameter(REAL, 0.0, 1.5, "contrasts of the log worth of the sources", (self.sources - 1,)),
        }

    def inputs(self) -> tuple[str, ...]:
        """C and the mixture."""
        return ("flops", "mix")

    def apply(self, params: Params, x: Features) -> Array:
        """Loss at the compute and mixture ``x`` of one run."""
        effective = x.log_flops - self.centre + log_worth(params["worth"], x.weights)
        rest = jnp.exp(-params["decay"] * effective)
        return jnp.exp(params["log_level"]) * (params["share"] + (1.0 - params["share"]) * rest)

    def worth_law(self, params: Params, x: Features) -> WorthLaw:
        """The law at the compute ``x``, for any mixture."""
        log_rest = params["log_level"] + jnp.log1p(-params["share"])
        log_rest = log_rest - params["decay"] * (x.log_flops - self.centre)
        floor = jnp.exp(params["log_level"]) * params["share"]
        return WorthLaw(floor, log_rest, params["decay"], worths(params["worth"]))

    def guess(self, x: Features, y: Array, weight: Array) -> Params:
        """Half of the mean loss is irreducible, and the rest decays as is usual."""
        mean = jnp.sum(weight * y) / jnp.sum(weight)
        start = {"log_level": jnp.log(mean), "share": jnp.full_like(mean, 0.5), "decay": jnp.full_like(mean, 0.15)}
        return start | {"worth": jnp.zeros((self.sources - 1,), y.dtype)}

    def constants(self, params: Params) -> dict[str, Array]:
        """``C_T`` in FLOPs, ``alpha_C``, ``E`` in the unit of the loss, and the worths ``w_1`` … ``w_S``."""
        log_rest = params["log_level"] + jnp.log1p(-params["share"])
        return {
            "C_T": jnp.exp(self.centre + log_rest / params["decay"]),
            "alpha_C": -params["decay"],
            "E": jnp.exp(params["log_level"]) * params["share"],
        } | numbered("w", jnp.exp(contrasts(self.sources) @ params["worth"]))

    def centred(self, x: Features) -> Self:
        """For the sources of these runs, centred on their geometric mean FLOPs."""
        return replace(self, sources=np.shape(x.weights)[-1], centre=centre_of(x.log_flops))


@dataclass(frozen=True)
class MixChinchilla:
    """``L(N, D, w) = E + A / N^α + B / (D·Σ_s w_s·e^{κ_s})^β``: Chinchilla's law, a token's worth by its source.

    M3's mixture inside the law of Hoffmann et al. 2022; Shukor et al. 2025 (arXiv 2507.09404) join mixture and (N, D)
    in a like way. Small runs of several sizes and budgets carry over to large ones.

    Attributes:
        sources: Number of sources S.
        centre_params: log N of the centre.
        centre_tokens: log D of the centre.
    """

    sources: int = 2
    centre_params: float = 20.0
    centre_tokens: float = 24.0
    singular = False

    @property
    def mixtures_needed(self) -> int:
        """One a source."""
        return self.sources

    def parameters(self) -> Mapping[str, Parameter]:
        """Loss at the centre, how it divides, how its terms decay, and the worths."""
        return {
            "log_level": Parameter(REAL, 0.5, 1.0, "log loss at the centre", affine="log"),
            "share": Parameter(UNIT, 0.0, 1.0, "share of it that is irreducible"),
            "size_share": Parameter(UNIT, 0.0, 1.0, "share of the rest that is due to size"),
            "alpha": Parameter(POSITIVE, -1.1, 0.5, "decay of the size term per e-fold of N"),
            "beta": Parameter(POSITIVE, -1.1, 0.5, "decay of the data term per e-fold of effective tokens"),
            "worth": Parameter(REAL, 0.0, 1.5, "contrasts of the log worth of the sources", (self.sources - 1,)),
        }

    def inputs(self) -> tuple[str, ...]:
        """N, D and the mixture."""
        return ("params", "tokens", "mix")

    def apply(self, params: Params, x: Features) -> Array:
        """Loss at the compute and mixture ``x`` of one run."""
        effective = x.log_tokens - self.centre_tokens + log_worth(params["worth"], x.weights)
        size_term = params["size_share"] * jnp.exp(-params["alpha"] * (x.log_params - self.centre_params))
        data_term = (1.0 - params["size_share"]) * jnp.exp(-params["beta"] * effective)
        return jnp.exp(params["log_level"]) * (params["share"] + (1.0 - params["share"]) * (size_term + data_term))

    def worth_law(self, params: Params, x: Features) -> WorthLaw:
        """The law at the size and tokens ``x``, for any mixture."""
        size_term = params["size_share"] * jnp.exp(-params["alpha"] * (x.log_params - self.centre_params))
        floor = jnp.exp(params["log_level"]) * (params["share"] + (1.0 - params["share"]) * size_term)
        log_rest = params["log_level"] + jnp.log1p(-params["share"]) + jnp.log1p(-params["size_share"])
        log_rest = log_rest - params["beta"] * (x.log_tokens - self.centre_tokens)
        return WorthLaw(floor, log_rest, params["beta"], worths(params["worth"]))

    def guess(self, x: Features, y: Array, weight: Array) -> Params:
        """60 % of the mean loss is irreducible, size and data share the rest equally, both decay as a third."""
        mean = jnp.sum(weight * y) / jnp.sum(weight)
        third, half = jnp.full_like(mean, 1 / 3), jnp.full_like(mean, 0.5)
        shares = {"log_level": jnp.log(mean), "share": jnp.full_like(mean, 0.6), "size_share": half}
        return shares | {"alpha": third, "beta": third, "worth": jnp.zeros((self.sources - 1,), y.dtype)}

    def constants(self, params: Params) -> dict[str, Array]:
        """``A``, ``B``, ``E`` in the unit of the loss, ``alpha``, ``beta``, and the worths ``w_1`` … ``w_S``."""
        level = jnp.exp(params["log_level"])
        rest = level * (1.0 - params["share"])
        return {
            "A": rest * params["size_share"] * jnp.exp(params["alpha"] * self.centre_params),
            "B": rest * (1.0 - params["size_share"]) * jnp.exp(params["beta"] * self.centre_tokens),
            "E": level * params["share"],
            "alpha": params["alpha"],
            "beta": params["beta"],
        } | numbered("w", jnp.exp(contrasts(self.sources) @ params["worth"]))

    def centred(self, x: Features) -> Self:
        """For the sources of these runs, centred on the geometric means of their parameters and tokens."""
        return replace(
            self,
            sources=np.shape(x.weights)[-1],
            centre_params=centre_of(x.log_params),
            centre_tokens=centre_of(x.log_tokens),
        )
