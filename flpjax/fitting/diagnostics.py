"""Whether draws can be used: figures with limits, and how a sampling went."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

RHAT, ESS = 1.01, 400.0
"""What is asked of every forecast (Vehtari et al. 2021)."""
RHAT_BAD, ESS_BAD = 1.05, 100.0
KHAT, KHAT_BAD = 0.7, 1.0
DIVERGED_BAD = 0.01  # share of draws


class Diagnostic(NamedTuple):
    """One figure that says whether draws can be used: up to ``good`` it passes, beyond ``bad``, or as NaN, it fails."""

    name: str
    value: float
    good: float
    bad: float
    figure: str  # what was found, in words
    remedy: str = ""  # what to do where it does not pass


class Convergence(NamedTuple):
    """Of each quantity, the trailing axes of what was given."""

    rhat: NDArray[np.float64]  # split R̂: 1 where chains agree; NaN of what does not vary, and of the fast path
    ess: NDArray[np.float64]  # effective sample size

    @property
    def passed(self) -> bool:
        """Whether all that varies meets :data:`RHAT` and :data:`ESS`."""
        agree, long = np.isnan(self.rhat) | (self.rhat < RHAT), np.isnan(self.ess) | (self.ess > ESS)
        return bool(np.all(agree & long))


@dataclass(frozen=True, eq=False)
class Sampling:
    """How posterior draws were made.

    Attributes:
        method: ``"nuts"``, ``"hmc"``, ``"tempered"`` or ``"laplace"``.
        chains: How many; draws are chain after chain, all of the same length. Of ``"tempered"``, a chain is populations
            of its own, relatives side by side. Draws of ``"laplace"`` are in random order and no chains: they have an
            effective number, and no R̂.
        diverging: ``(chain, draw)`` whether the draw's trajectory broke off.
        steps: ``(chain, draw)`` its length, in evaluations of the gradient; 0 of the fast path. Of ``"tempered"``, the
            rounds of populations that it took.
        longest: The largest length allowed.
        acceptance: ``(chain, draw)`` its mean acceptance probability.
        parameters: Stage and parameter, such as ``loss/exponent`` → its convergence ``(output, …)``. Of a network,
            whose weights are never identified one by one, only the forecasts count.
        forecasts: The same of losses and scores at the ladder's largest run and at ten times its compute
            ``(target, quantity)``, without a measurement's noise; of a score that rests on losses, that of the least.
        khat: ``stage 'output'`` → k̂ of the importance weights; beyond 0.7 the normal at the mode is no stand-in for
            the posterior. Empty of chains.
        gradient: ``stage 'output'`` → norm of the gradient at the mode, in units of the prior.
        noise: Parameters of the noise → ``(draw, output)``.
        effective: ``stage 'output'`` → how many different draws its draws are worth. Empty of chains.
    """

    method: str
    chains: int
    diverging: NDArray[np.bool_]
    steps: NDArray[np.int64]
    longest: int
    acceptance: NDArray[np.float64]
    parameters: dict[str, Convergence]
    forecasts: Convergence
    khat: dict[str, float]
    gradient: dict[str, float]
    noise: dict[str, NDArray[np.float64]]
    effective: dict[str, float] = field(default_factory=dict)

    @property
    def chained(self) -> bool:
        """Whether draws are of chains, which agree or don't."""
        return self.method != "laplace"

    @property
    def divergences(self) -> int:
        """How many trajectories broke off, of all chains."""
        return int(self.diverging.sum())

    @property
    def deepest(self) -> float:
        """The share of trajectories that reached the largest length allowed."""
        return float((self.steps >= self.longest).mean())

    @property
    def max_rhat(self) -> float:
        """Of all parameters."""
        return max((_largest(c.rhat) for c in self.parameters.values()), default=1.0)

    @property
    def min_ess(self) -> float:
        """Of all parameters."""
        return min((float(np.nanmin(c.ess)) for c in self.parameters.values()), default=np.inf)

    @property
    def max_khat(self) -> float:
        """Of all outputs; minus infinity for NUTS."""
        return max(self.khat.values(), default=-np.inf)

    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """Whether chains agree and are long enough; or, of the fast path, whether its proposals suit the posterior."""
        if not self.chained:
            k = float(np.max([*self.khat.values(), 0.0]))  # NaN if one is: then it fails
            ess = float(np.min([*self.effective.values(), np.inf]))
            few = f"at least {ess:.0f} different draws"
            return (
                Diagnostic("k-hat", k, KHAT, KHAT_BAD, f"at most {k:.2f}", "Sample it: method='nuts'"),
                Diagnostic("ESS", -ess, -ESS, -ESS_BAD, few, "Ask for more draws, or sample it: method='nuts'"),
            )
        rhat, ess = float(np.max(self.forecasts.rhat)), float(np.min(self.forecasts.ess))
        rhat, ess = (rhat if np.isfinite(rhat) else np.inf), (ess if np.isfinite(ess) else 0.0)
        longer = "Sample longer (warmup=, draws=), or narrow the priors"
        if self.method == "tempered":
            longer = "Narrow the priors (priors=), or resample it: bootstrap()"
            return (
                Diagnostic("R-hat", rhat, RHAT, RHAT_BAD, f"at most {rhat:.3f}", longer),
                Diagnostic("ESS", -ess, -ESS, -ESS_BAD, f"at least {ess:.0f}", "Ask for more draws"),
            )
        share, number = float(self.diverging.mean()), int(self.diverging.sum())
        narrower = "Narrow the priors (priors=), or take a form with fewer parameters"
        broken = f"{number} of {self.diverging.size}"
        return (
            Diagnostic("R-hat", rhat, RHAT, RHAT_BAD, f"at most {rhat:.3f}", longer),
            Diagnostic("ESS", -ess, -ESS, -ESS_BAD, f"at least {ess:.0f}", longer),
            Diagnostic("divergences", share, 0.0, DIVERGED_BAD, broken, narrower),
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it; null is not finite."""

        def number(value: float) -> float | None:
            return float(value) if np.isfinite(value) else None

        return {
            "method": self.method,
            "chains": self.chains,
            "divergences": self.divergences,
            "deepest": self.deepest,
            "steps": number(float(self.steps.mean())),
            "acceptance": number(float(self.acceptance.mean())),
            "max_rhat": number(self.max_rhat),
            "min_ess": number(self.min_ess),
            "max_rhat_of_forecasts": number(_largest(self.forecasts.rhat)),
            "min_ess_of_forecasts": number(float(np.nanmin(self.forecasts.ess))),
            "max_khat": number(self.max_khat),
        }

    def __str__(self) -> str:
        if not self.chained:
            return (
                f"laplace: largest k-hat {self.max_khat:.2f} (reliable up to 0.7), draws worth {self.min_ess:.0f} "
                "different ones at least"
            )
        if self.method == "tempered":
            return (
                f"tempered: {self.chains} chains of populations, R-hat of forecasts up to "
                f"{_largest(self.forecasts.rhat):.3f}, their ESS from {np.nanmin(self.forecasts.ess):.0f}"
            )
        return (
            f"{self.method}: {self.chains} chains, {self.divergences} divergences, R-hat of forecasts up to "
            f"{_largest(self.forecasts.rhat):.3f}, their ESS from {np.nanmin(self.forecasts.ess):.0f}; of parameters "
            f"{self.max_rhat:.3f}, {self.min_ess:.0f}"
        )


def worth_of_distinct(values: ArrayLike) -> NDArray[np.float64]:
    """How many different draws ``(draw, …)`` are worth, of which some repeat: n² over the sum of squared repeats.

    Of draws resampled by importance it is the effective number of their weights, less what resampling costs.
    """
    array = np.asarray(values, np.float64)
    columns = array.reshape(len(array), -1).T
    repeats = [np.unique(column, return_counts=True)[1] for column in columns]
    return np.array([len(array) ** 2 / float((r**2).sum()) for r in repeats]).reshape(array.shape[1:])


def worth_of_looks(seen: NDArray[np.float64]) -> NDArray[np.float64]:
    """How many different draws a population is worth that was looked at several times, ``(output,)``.

    Members are independent, and a member's places are an autoregression of first order, as its place at the next look
    tells; of the parameters, the slowest.

    Args:
        seen: ``(time, member, output, p)``.
    """
    times, members, outputs, _ = seen.shape
    if times == 1:
        return np.full(outputs, float(members))
    centred = seen - seen.mean(axis=1, keepdims=True)
    power = np.sqrt((centred[1:] ** 2).mean(axis=1) * (centred[:-1] ** 2).mean(axis=1))
    kept = np.clip(((centred[1:] * centred[:-1]).mean(axis=1) / np.maximum(power, 1e-300)).mean(axis=0), 0.0, 1.0).max(
        axis=-1
    )
    lag = np.arange(1, times)
    return np.asarray(times * members / (1.0 + 2.0 * ((1.0 - lag / times) * kept[:, None] ** lag).sum(axis=1)))


def convergence(values: ArrayLike, sampling: Sampling | int) -> Convergence:
    """Split R̂ and effective sample size of anything computed draw by draw, such as a forecast's ``score_draws``.

    Ask it of expected values (``forecast(…, measured=False)``): a measurement's noise hides how chains differ.

    Args:
        values: ``(draw, …)``, in the order of the draws.
        sampling: Of the draws, ``draws.sampling``; or the number of chains.

    Returns:
        R̂ and ESS ``(…)``; NaN where a value is not finite or does not vary. Draws of the fast path have no R̂, and are
        worth the different ones among them, but no more than those of any output that they may come from.
    """
    from numpyro.diagnostics import effective_sample_size, split_gelman_rubin

    array = np.asarray(values, np.float64)
    if isinstance(sampling, Sampling) and not sampling.chained:
        known = np.isfinite(array).all(axis=0) & (np.ptp(array, axis=0) > 0)
        worth = np.minimum(worth_of_distinct(array), sampling.min_ess)
        return Convergence(np.full(array.shape[1:], np.nan), np.where(known, worth, np.nan))
    chains = sampling if isinstance(sampling, int) else sampling.chains
    each = array.reshape(chains, len(array) // chains, -1)
    sound = np.isfinite(each).all(axis=(0, 1)) & (np.ptp(each, axis=(0, 1)) > 0)
    rhat, ess = np.full((2, each.shape[2]), np.nan)
    if sound.any():
        rhat[sound] = split_gelman_rubin(each[:, :, sound])
        ess[sound] = effective_sample_size(each[:, :, sound])
    return Convergence(rhat.reshape(array.shape[1:]), ess.reshape(array.shape[1:]))


def _largest(values: NDArray[np.float64]) -> float:
    return float(np.nanmax(values)) if np.isfinite(values).any() else np.nan
