"""Whether draws can be used: figures with limits, and how a sampling went."""

from __future__ import annotations

from dataclasses import dataclass
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

    rhat: NDArray[np.float64]  # split R̂: 1 where chains agree; NaN of what does not vary
    ess: NDArray[np.float64]  # effective sample size

    @property
    def passed(self) -> bool:
        """Whether all that varies meets :data:`RHAT` and :data:`ESS`."""
        return bool(np.all(np.isnan(self.rhat) | ((self.rhat < RHAT) & (self.ess > ESS))))


@dataclass(frozen=True, eq=False)
class Sampling:
    """How posterior draws were made.

    Attributes:
        method: ``"nuts"`` or ``"laplace"``.
        chains: How many; draws are chain after chain, all of the same length. Draws of ``"laplace"`` are independent
            (resampled by importance), and are counted as so many chains.
        diverging: ``(chain, draw)`` whether the draw's trajectory broke off.
        steps: ``(chain, draw)`` its length, in evaluations of the gradient; 0 of the fast path.
        longest: The largest length allowed.
        acceptance: ``(chain, draw)`` its mean acceptance probability.
        parameters: Stage and parameter, such as ``loss/exponent`` → its convergence ``(output, …)``. Of a network,
            whose weights are never identified one by one, only the forecasts count.
        forecasts: The same of losses and scores at the ladder's largest run and at ten times its compute
            ``(target, quantity)``, without a measurement's noise.
        khat: ``stage 'output'`` → k̂ of the importance weights; beyond 0.7 the normal at the mode is no stand-in for
            the posterior. Empty for NUTS.
        gradient: ``stage 'output'`` → norm of the gradient at the mode, in units of the prior.
        noise: Parameters of the noise → ``(draw, output)``.
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
        if self.method != "nuts":
            k = float(np.max([*self.khat.values(), 0.0]))  # NaN if one is: then it fails
            return (Diagnostic("k-hat", k, KHAT, KHAT_BAD, f"at most {k:.2f}", "Sample it: method='nuts'"),)
        rhat, ess = float(np.max(self.forecasts.rhat)), float(np.min(self.forecasts.ess))
        rhat, ess = (rhat if np.isfinite(rhat) else np.inf), (ess if np.isfinite(ess) else 0.0)
        longer = "Sample longer (warmup=, draws=), or narrow the priors"
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
        if self.method == "laplace":
            return f"laplace: largest k-hat {self.max_khat:.2f} (reliable up to 0.7)"
        return (
            f"nuts: {self.chains} chains, {self.divergences} divergences, R-hat of forecasts up to "
            f"{_largest(self.forecasts.rhat):.3f}, their ESS from {np.nanmin(self.forecasts.ess):.0f}; of parameters "
            f"{self.max_rhat:.3f}, {self.min_ess:.0f}"
        )


def convergence(values: ArrayLike, sampling: Sampling | int) -> Convergence:
    """Split R̂ and effective sample size of anything computed draw by draw, such as a forecast's ``score_draws``.

    Ask it of expected values (``forecast(…, measured=False)``): a measurement's noise hides how chains differ.

    Args:
        values: ``(draw, …)``, in the order of the draws.
        sampling: Of the draws, ``draws.sampling``; or the number of chains.

    Returns:
        R̂ and ESS ``(…)``; NaN where a value is not finite or does not vary.
    """
    from numpyro.diagnostics import effective_sample_size, split_gelman_rubin

    chains = sampling if isinstance(sampling, int) else sampling.chains
    array = np.asarray(values, np.float64)
    each = array.reshape(chains, len(array) // chains, -1)
    sound = np.isfinite(each).all(axis=(0, 1)) & (np.ptp(each, axis=(0, 1)) > 0)
    rhat, ess = np.full((2, each.shape[2]), np.nan)
    if sound.any():
        rhat[sound] = split_gelman_rubin(each[:, :, sound])
        ess[sound] = effective_sample_size(each[:, :, sound])
    return Convergence(rhat.reshape(array.shape[1:]), ess.reshape(array.shape[1:]))


def _largest(values: NDArray[np.float64]) -> float:
    return float(np.nanmax(values)) if np.isfinite(values).any() else np.nan
