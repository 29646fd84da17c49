"""Repeated data: any law of losses, read at the tokens that repeated ones are worth (Muennighoff et al. 2023)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import jax.numpy as jnp
import numpy as np
from jax import Array

from flpjax.ladder.features import Features
from flpjax.laws.law import POSITIVE, Law, Parameter, Params

UNIQUE = "unique_tokens"
"""The feature that says how many different tokens a run was trained on: column ``x/unique_tokens``."""
MEDIAN_PASSES, SPREAD = 10.0, 1.0
"""Median, and s.d. of the logarithm, of the passes after which repeating adds little: a few are about as good as new
data, tens are not."""


@dataclass(frozen=True)
class Repeated:
    """``L(N, D')`` with ``D' = U + U·R*·(1 − e^{−R/R*})`` and ``R = D/U − 1`` (Muennighoff et al. 2023, eq. 5).

    U are the unique tokens, R how often they were repeated. FLOPs are taken as if D' had been trained on. Where no
    token is repeated it is the law itself.

    Attributes:
        law: Of N and D, or of C.
    """

    law: Law

    @property
    def no_irreducible_loss(self) -> bool:
        """Whether the law falls to 0."""
        return bool(getattr(self.law, "no_irreducible_loss", False))

    def parameters(self) -> Mapping[str, Parameter]:
        """The law's own, and R*."""
        about = "R*, repetitions of the data after which more add little"
        own = Parameter(POSITIVE, float(np.log(MEDIAN_PASSES)), SPREAD, about)
        return {**self.law.parameters(), "repetitions": own}

    def inputs(self) -> tuple[str, ...]:
        """The law's, D and U."""
        return tuple(dict.fromkeys((*self.law.inputs(), "tokens", UNIQUE)))

    def apply(self, params: Params, x: Features) -> Array:
        """Loss at ONE run."""
        return self.law.apply(params, _worth(x, params["repetitions"]))

    def guess(self, x: Features, y: Array, weight: Array) -> Params:
        """The law's own, at the median R*."""
        median = jnp.full_like(y[0], MEDIAN_PASSES)
        return {**self.law.guess(_worth(x, median), y, weight), "repetitions": median}

    def constants(self, params: Params) -> dict[str, Array]:
        """The law's symbols, and ``R_D``, R*."""
        return {**self.law.constants(params), "R_D": params["repetitions"]}

    def centred(self, x: Any) -> Self:
        """The law centred on rows ``x``."""
        return replace(self, law=self.law.centred(x))


def _worth(x: Features, repetitions: Array) -> Features:
    """The same runs with D' in place of D, and the FLOPs of that."""
    again = jnp.maximum(jnp.exp(x["tokens"] - x[UNIQUE]) - 1.0, 0.0)
    unique = jnp.minimum(x["tokens"], x[UNIQUE])
    worth = unique + jnp.log1p(-repetitions * jnp.expm1(-again / repetitions))
    return x.replace(tokens=worth, flops=x["flops"] + worth - x["tokens"])


def repeats(features: Mapping[str, Any], tokens: Any) -> bool:
    """Whether a table says that some run repeats its data, by more than counting to whole batches."""
    unique = features.get(UNIQUE)
    return unique is not None and bool(np.nanmax(np.asarray(tokens) / np.asarray(unique), initial=0.0) > 1.05)
