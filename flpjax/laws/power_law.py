"""Compute → loss, and compute straight to the score: power laws in FLOPs and in (N, D)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import jax.numpy as jnp
from jax import Array

from flpjax.ladder.features import Features
from flpjax.laws.law import POSITIVE, REAL, UNIT, Parameter, Params, centre_of, weighted_line


@dataclass(frozen=True)
class PowerLaw:
    """``L(C) = (C / C_N)^{α_N}`` (Chen et al. 2024, eq. 1; as a score, ``P(C) = (C / C_M)^{α_M}``, eq. 3).

    C_N and α_N trade off against each other far from the data, so the level at the ladder's mean compute is fitted in
    place of C_N: ``log L = log_level + exponent·(log C − centre)``.

    Attributes:
        centre: log FLOPs at which ``log_level`` is the logarithm of the value.
    """

    centre: float = 48.0
    no_irreducible_loss: ClassVar[bool] = True  # as a loss it falls to 0

    def parameters(self) -> Mapping[str, Parameter]:
        """Level and exponent; the exponent is negative for a loss, positive for a score."""
        return {
            "log_level": Parameter(REAL, 0.5, 1.0, "log value at the centre", affine="log"),
            "exponent": Parameter(REAL, 0.0, 0.2, "α, change of log value per e-fold of FLOPs", affine="log"),
        }

    def inputs(self) -> tuple[str, ...]:
        """C."""
        return ("flops",)

    def apply(self, params: Params, x: Features) -> Array:
        """Value at the compute ``x`` of one run."""
        return jnp.exp(params["log_level"] + params["exponent"] * (x.log_flops - self.centre))

    def guess(self, x: Features, y: Array, weight: Array) -> Params:
        """The straight line through the logarithms."""
        level, exponent = weighted_line(x.log_flops - self.centre, jnp.log(jnp.maximum(y, 1e-6)), weight)
        return {"log_level": level, "exponent": exponent}

    def constants(self, params: Params) -> dict[str, Array]:
        """``C_N`` in FLOPs, ``alpha_N``."""
        return {
            "C_N": jnp.exp(self.centre - params["log_level"] / params["exponent"]),
            "alpha_N": params["exponent"],
        }

    def centred(self, x: Features) -> Self:
        """Centred on the geometric mean of the runs' FLOPs."""
        return replace(self, centre=centre_of(x.log_flops))


@dataclass(frozen=True)
class Flat:
    """``P(C) = level``: nothing grows. What a task has to be held against that no model of the ladder can do."""

    def parameters(self) -> Mapping[str, Parameter]:
        """The level."""
        return {"level": Parameter(REAL, 0.3, 0.3, "score of every model, fraction", affine="linear")}

    def inputs(self) -> tuple[str, ...]:
        """C."""
        return ("flops",)

    def apply(self, params: Params, x: Features) -> Array:
        """The level, whatever the compute ``x``."""
        return params["level"] + 0.0 * x.log_flops

    def guess(self, x: Features, y: Array, weight: Array) -> Params:
        """The mean."""
        return {"level": jnp.sum(weight * y) / jnp.sum(weight)}

    def constants(self, params: Params) -> dict[str, Array]:
        """``level``."""
        return dict(params)

    def centred(self, x: Features) -> Self:
        """Itself."""
        return self


@dataclass(frozen=True)
class LogPowerLaw:
    """``−log P(C) = (C / C_M)^{α_M}`` (OpenAI 2023, GPT-4 report; Chen et al. 2024, eq. 6).

    The minus sign, which eq. 6 leaves out, keeps P a fraction: the logarithm of a score below 1 is negative.

    Attributes:
        centre: log FLOPs at which ``log_level`` is ``log(−log P)``.
    """

    centre: float = 48.0

    def parameters(self) -> Mapping[str, Parameter]:
        """Level and exponent of −log P."""
        return {
            "log_level": Parameter(REAL, 0.0, 1.0, "log(−log P) at the centre"),
            "exponent": Parameter(REAL, 0.0, 0.2, "α_M, change of log(−log P) per e-fold of FLOPs"),
        }

    def inputs(self) -> tuple[str, ...]:
        """C."""
        return ("flops",)

    def apply(self, params: Params, x: Features) -> Array:
        """Score at the compute ``x`` of one run."""
        return jnp.exp(-jnp.exp(params["log_level"] + params["exponent"] * (x.log_flops - self.centre)))

    def guess(self, x: Features, y: Array, weight: Array) -> Params:
        """The straight line through ``log(−log P)``."""
        surprise = -jnp.log(jnp.clip(y, 1e-6, 1.0 - 1e-6))
        level, exponent = weighted_line(x.log_flops - self.centre, jnp.log(surprise), weight)
        return {"log_level": level, "exponent": exponent}

    def constants(self, params: Params) -> dict[str, Array]:
        """``C_M`` in FLOPs, ``alpha_M``."""
        return {
            "C_M": jnp.exp(self.centre - params["log_level"] / params["exponent"]),
            "alpha_M": params["exponent"],
        }

    def centred(self, x: Features) -> Self:
        """Centred on the geometric mean of the runs' FLOPs."""
        return replace(self, centre=centre_of(x.log_flops))


@dataclass(frozen=True)
class PowerLawE:
    """``L(C) = E + (C / C_N)^{α_N}``: a power law that levels off at the irreducible loss E (Henighan et al. 2020).

    Fitted as the loss at the ladder's mean compute and the share of it that is irreducible: both free of units.

    Attributes:
        centre: log FLOPs at which ``log_level`` is the logarithm of the loss.
    """

    centre: float = 48.0

    def parameters(self) -> Mapping[str, Parameter]:
        """Loss at the centre, its irreducible share, and the decay of the rest."""
        return {
            "log_level": Parameter(REAL, 0.5, 1.0, "log loss at the centre", affine="log"),
            "share": Parameter(UNIT, 0.0, 1.0, "share of it that is irreducible"),
            "decay": Parameter(POSITIVE, -2.0, 0.7, "−α_N, decay of the rest per e-fold of FLOPs"),
        }

    def inputs(self) -> tuple[str, ...]:
        """C."""
        return ("flops",)

    def apply(self, params: Params, x: Features) -> Array:
        """Loss at the compute ``x`` of one run."""
        rest = jnp.exp(-params["decay"] * (x.log_flops - self.centre))
        return jnp.exp(params["log_level"]) * (params["share"] + (1.0 - params["share"]) * rest)

    def guess(self, x: Features, y: Array, weight: Array) -> Params:
        """Half of the lowest loss taken as irreducible, a straight line through the logarithm of the rest."""
        irreducible = 0.5 * jnp.min(jnp.where(weight > 0, y, jnp.inf))
        rest, slope = weighted_line(
            x.log_flops - self.centre, jnp.log(jnp.maximum(y - irreducible, 1e-3 * irreducible)), weight
        )
        level = irreducible + jnp.exp(rest)
        return {
            "log_level": jnp.log(level),
            "share": jnp.clip(irreducible / level, 0.05, 0.95),
            "decay": jnp.maximum(-slope, 1e-2),
        }

    def constants(self, params: Params) -> dict[str, Array]:
        """``C_N`` in FLOPs, ``alpha_N``, ``E`` in the unit of the loss."""
        log_rest = params["log_level"] + jnp.log1p(-params["share"])
        return {
            "C_N": jnp.exp(self.centre + log_rest / params["decay"]),
            "alpha_N": -params["decay"],
            "E": jnp.exp(params["log_level"]) * params["share"],
        }

    def centred(self, x: Features) -> Self:
        """Centred on the geometric mean of the runs' FLOPs."""
        return replace(self, centre=centre_of(x.log_flops))


@dataclass(frozen=True)
class Chinchilla:
    """``L(N, D) = E + A / N^α + B / D^β`` (Hoffmann et al. 2022, eq. 2).

    Fitted as the loss at the ladder's mean N and D, the share of it that is irreducible, and the share of the rest
    that is due to size.

    Attributes:
        centre_params: log N of the centre.
        centre_tokens: log D of the centre.
        tied: One exponent for both terms, as Gadre et al. 2024 (eq. 4) fit it.
    """

    centre_params: float = 20.0
    centre_tokens: float = 24.0
    tied: bool = False

    def parameters(self) -> Mapping[str, Parameter]:
        """Loss at the centre, how it divides, and how the two terms decay."""
        table = {
            "log_level": Parameter(REAL, 0.5, 1.0, "log loss at the centre", affine="log"),
            "share": Parameter(UNIT, 0.0, 1.0, "share of it that is irreducible"),
            "size_share": Parameter(UNIT, 0.0, 1.0, "share of the rest that is due to size"),
            "alpha": Parameter(POSITIVE, -1.1, 0.5, "decay of the size term per e-fold of N"),
            "beta": Parameter(POSITIVE, -1.1, 0.5, "decay of the data term per e-fold of D"),
        }
        if self.tied:
            del table["beta"]
        return table

    def inputs(self) -> tuple[str, ...]:
        """N and D."""
        return ("params", "tokens")

    def apply(self, params: Params, x: Features) -> Array:
        """Loss at the compute ``x`` of one run."""
        beta = params["alpha"] if self.tied else params["beta"]
        size_term = params["size_share"] * jnp.exp(-params["alpha"] * (x.log_params - self.centre_params))
        data_term = (1.0 - params["size_share"]) * jnp.exp(-beta * (x.log_tokens - self.centre_tokens))
        rest = (1.0 - params["share"]) * (size_term + data_term)
        return jnp.exp(params["log_level"]) * (params["share"] + rest)

    def guess(self, x: Features, y: Array, weight: Array) -> Params:
        """60 % of the lowest loss is irreducible, size and data share the rest equally, both decay as a third."""
        mean = jnp.sum(weight * y) / jnp.sum(weight)
        third, half = jnp.full_like(mean, 1 / 3), jnp.full_like(mean, 0.5)
        share = jnp.clip(0.6 * jnp.min(jnp.where(weight > 0, y, jnp.inf)) / mean, 0.05, 0.95)
        start = {"log_level": jnp.log(mean), "share": share, "size_share": half, "alpha": third, "beta": third}
        return {name: start[name] for name in self.parameters()}

    def constants(self, params: Params) -> dict[str, Array]:
        """``A``, ``B``, ``E`` in the unit of the loss, ``alpha``, ``beta``."""
        beta = params["alpha"] if self.tied else params["beta"]
        level = jnp.exp(params["log_level"])
        rest = level * (1.0 - params["share"])
        return {
            "A": rest * params["size_share"] * jnp.exp(params["alpha"] * self.centre_params),
            "B": rest * (1.0 - params["size_share"]) * jnp.exp(beta * self.centre_tokens),
            "E": level * params["share"],
            "alpha": params["alpha"],
            "beta": beta,
        }

    def from_constants(self, A: Array, B: Array, E: Array, alpha: Array, beta: Array) -> Params:
        """The fitted parameters of known constants, for starts from the literature; the inverse of constants."""
        size_term = A * jnp.exp(-alpha * self.centre_params)
        data_term = B * jnp.exp(-beta * self.centre_tokens)
        rest = size_term + data_term
        params = {
            "log_level": jnp.log(E + rest),
            "share": E / (E + rest),
            "size_share": size_term / rest,
            "alpha": alpha,
            "beta": beta,
        }
        return {name: params[name] for name in self.parameters()}

    def centred(self, x: Features) -> Self:
        """Centred on the geometric means of the runs' parameters and tokens."""
        return replace(self, centre_params=centre_of(x.log_params), centre_tokens=centre_of(x.log_tokens))
