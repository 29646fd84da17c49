"""What a law is: a formula with a table of parameters, and the way to a vector and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from flpjax.ladder.features import Features
from flpjax.laws.supports import POSITIVE as POSITIVE
from flpjax.laws.supports import REAL as REAL
from flpjax.laws.supports import UNIT as UNIT
from flpjax.laws.supports import Support

if TYPE_CHECKING:
    import numpyro.distributions as dist
    from numpyro.distributions import constraints

jax.tree_util.register_pytree_with_keys(
    Features,
    lambda x: ([(jax.tree_util.DictKey(name), leaf) for name, leaf in x.items()], x.names),
    Features.of_leaves,
    lambda x: ([leaf for _, leaf in x.items()], x.names),
)  # here and not beside it: the table of runs needs no JAX

Space = Literal["log", "linear"]
"""Of the values of a formula: their logarithms, or as they are."""

Params = dict[str, Array]
"""Parameter → value, of one output of one draw."""


class Parameter(NamedTuple):
    """One parameter of a law, declared once for optimisers, start sampling and NumPyro.

    The prior is normal in the unconstrained space: a normal on the real line, a log-normal on positive numbers, a
    logit-normal between 0 and 1. Its support *is* the constraint.
    """

    support: Support | constraints.Constraint  # ours, or any of NumPyro's on the real line
    loc: float  # unconstrained
    scale: float  # unconstrained
    about: str
    shape: tuple[int, ...] = ()
    affine: Space | None = None  # where the formula is affine in it, together with all others that say so

    def __hash__(self) -> int:
        """By the kind of support: NumPyro's constraints are equal by value, and some of them have no hash."""
        return hash((type(self.support), self.loc, self.scale, self.about, self.shape, self.affine))

    @property
    def prior(self) -> dist.Distribution:
        """As NumPyro takes it."""
        import numpyro.distributions as dist

        return dist.TransformedDistribution(dist.Normal(self.loc, self.scale), self.transform).expand(self.shape)

    @property
    def transform(self) -> Any:
        """From the unconstrained space into the support, as NumPyro has it, with its Jacobian."""
        import numpyro.distributions as dist

        return dist.biject_to(self.support.constraint if isinstance(self.support, Support) else self.support)

    @property
    def bijector(self) -> Any:
        """From the unconstrained space into the support; ``inv`` is the way back."""
        return self.support.bijector if isinstance(self.support, Support) else self.transform

    def inside(self, free: NDArray[np.floating]) -> NDArray[np.floating]:
        """Unconstrained values → values inside the support, of any shape, on the host."""
        return self.support.inside(free) if isinstance(self.support, Support) else np.asarray(self.bijector(free))

    def outside(self, values: NDArray[np.floating]) -> NDArray[np.floating]:
        """The way back: values inside the support → unconstrained ones."""
        known = isinstance(self.support, Support)
        return self.support.outside(values) if known else np.asarray(self.bijector.inv(values))


class Law(Protocol):
    """One formula: a frozen dataclass of static configuration, hashable by value, with pure methods.

    Numbers live outside, in a plain dictionary. Inputs are centred by the configuration, so that the parameters which
    data identify are the ones that are fitted; :meth:`constants` gives the paper's.
    """

    def parameters(self) -> Mapping[str, Parameter]:
        """The parameters: name → prior and meaning."""
        ...

    def inputs(self) -> tuple[str, ...]:
        """The features that :meth:`apply` reads, such as ``params`` and ``tokens``; none, in a law of losses."""
        ...

    def apply(self, params: Params, x: Any) -> Array:
        """The formula for ONE row; callers ``vmap``."""
        ...

    def guess(self, x: Any, y: Array, weight: Array) -> Params:
        """A start in closed form from rows ``x``, ``y`` ``(row,)`` and their weights ``(row,)``."""
        ...

    def constants(self, params: Params) -> dict[str, Array]:
        """The paper's symbols, derived from the fitted parameters."""
        ...

    def centred(self, x: Any) -> Self:
        """The same law centred on rows ``x``."""
        ...


def space_of(law: Law) -> Space:
    """Where a law's residuals are taken: of logarithms, unless it says that values may be negative."""
    space: Space = getattr(law, "space", "log")
    return space


def falls(law: Law) -> bool:
    """Whether a map is of scores that fall with compute, and no others."""
    return bool(getattr(law, "falls", False))


def size(law: Law) -> int:
    """How many numbers a law has."""
    return sum(_count(p.shape) for p in law.parameters().values())


def determined_by(law: Law, runs: int) -> int:
    """How many numbers so many runs determine: all that a law has, unless its priors hold it (``held``)."""
    return min(size(law), max(runs // 2, 1)) if getattr(law, "prior_regularised", False) else size(law)


def unpack(law: Law, vector: Array) -> Params:
    """Unconstrained ``(p,)`` → parameters inside their supports."""
    params, at = {}, 0
    for name, parameter in law.parameters().items():
        count = _count(parameter.shape)
        free = vector[at : at + count].reshape(parameter.shape)
        params[name] = parameter.bijector(free)
        at += count
    return params


def pack(law: Law, params: Params) -> Array:
    """Parameters inside their supports → unconstrained ``(p,)``."""
    return jnp.concatenate(
        [jnp.ravel(parameter.bijector.inv(jnp.asarray(params[name]))) for name, parameter in law.parameters().items()]
    )


def affine(law: Law, space: Space) -> tuple[int, ...]:
    """The places in the vector of the parameters in which values in ``space`` are affine."""
    flags = [flag for p in law.parameters().values() for flag in [p.affine == space] * _count(p.shape)]
    return tuple(i for i, flag in enumerate(flags) if flag)


def prior_normal(law: Law) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Location and scale ``(p,)`` of the prior in the unconstrained space."""
    table = law.parameters().values()
    counts = [_count(p.shape) for p in table]
    return np.repeat([float(p.loc) for p in table], counts), np.repeat([float(p.scale) for p in table], counts)


def spread_starts(law: Law, guess: NDArray[np.float64], count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """``(output, count, p)`` unconstrained starts: the guess ``(output, p)``, jitter around it, draws from the prior.

    Half of the others stay near the guess, half forget it: the first find the optimum quickly, the second find out
    whether there is a better one.
    """
    loc, scale = prior_normal(law)
    starts = np.repeat(guess[:, None, :], count, axis=1)
    noise = rng.standard_normal((len(guess), count - 1, len(loc)))
    starts[:, 1:] = np.where(np.arange(count - 1)[:, None] % 2 == 0, starts[:, 1:] + 0.5 * noise, loc + scale * noise)
    return starts


def weighted_line(x: Array, y: Array, weight: Array) -> tuple[Array, Array]:
    """Intercept and slope of the weighted least-squares line, all arrays ``(row,)``."""
    total = jnp.sum(weight)
    mean_x, mean_y = jnp.sum(weight * x) / total, jnp.sum(weight * y) / total
    spread = jnp.sum(weight * (x - mean_x) ** 2)
    slope = jnp.sum(weight * (x - mean_x) * (y - mean_y)) / jnp.where(spread > 0, spread, 1.0)
    return mean_y - slope * mean_x, slope


def centre_of(values: Any, step: float = 1.0) -> float:
    """A centre for an input, rounded: a round number reads well, and nearby ladders share their compiled programs."""
    return step * round(float(np.mean(values)) / step)


def _count(shape: tuple[int, ...]) -> int:
    count = 1
    for n in shape:
        count *= n
    return count
