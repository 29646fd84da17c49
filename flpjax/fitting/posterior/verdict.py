"""Whether a posterior can be used: what the sampler's own figures say, with the remedy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import FitError, some_of
from flpjax.fitting.convergence import ESS, RHAT, Sampling
from flpjax.fitting.posterior.pareto import RELIABLE
from flpjax.fitting.posterior.problem import PosteriorProblem

Said = list[tuple[str, str]]
"""What is wrong, and the remedy."""

HOPELESS_RHAT = 1.05
HOPELESS_SHARE = 0.01  # of draws that diverge
HOPELESS_KHAT = 1.0
CLIMBED = 1e-2  # norm of the gradient at a mode, in units of the prior


def verdict(sampling: Sampling, problem: PosteriorProblem, strict: bool) -> tuple[str, ...]:
    """Warnings about a sampling that is less than it should be.

    Raises:
        FitError: It failed, and ``strict`` is set.
    """
    bad: Said = []
    doubtful: Said = []
    if sampling.method == "nuts":
        _judge_chains(sampling, problem, bad, doubtful)
    else:
        _judge_weights(sampling, bad, doubtful)
    if bad and strict:
        what, remedy = bad[0]
        raise FitError(what, where=f"posterior on {problem.bound.runs.source}", remedy=remedy)
    return tuple(f"posterior: {what}. {remedy}" for what, remedy in (*bad, *doubtful))


def _judge_chains(sampling: Sampling, problem: PosteriorProblem, bad: Said, doubtful: Said) -> None:
    names = (*problem.model.domains, *problem.model.tasks)
    rhat, ess = sampling.forecasts.rhat, sampling.forecasts.ess
    trained = any(stage.recipe is not None for stage in problem.bound.stages)
    longer = "Sample longer (warmup=1000, draws=8000), or give narrower priors (priors=…)"
    if trained:
        longer = "The modes of a network don't mix: use bootstrap(), or a straight map (DomainLinear)"
    if np.isnan(rhat).any():
        bad.append((f"forecasts of {_worst(np.isnan(rhat), names)} are not finite or never moved", longer))
    elif (rhat >= RHAT).any():
        place = bad if rhat.max() >= HOPELESS_RHAT else doubtful
        place.append(
            (f"chains disagree on forecasts of {_worst(rhat >= RHAT, names)} (R-hat {rhat.max():.3f})", longer)
        )
    if (ess < ESS).any():
        doubtful.append(
            (
                f"forecasts of {_worst(ess < ESS, names)} rest on an effective {np.nanmin(ess):.0f} draws, "
                f"{ESS:.0f} are needed for the ends of an interval",
                longer if trained else "Ask for more draws",
            )
        )
    broken = sampling.divergences
    if broken:
        place = bad if broken > HOPELESS_SHARE * sampling.diverging.size else doubtful
        place.append(
            (
                f"{broken} of {sampling.diverging.size} trajectories broke off: a part of the posterior may be missing",
                "Give narrower priors (priors=…) or a form with fewer parameters",
            )
        )
    if not trained and sampling.max_rhat >= HOPELESS_RHAT:
        worst = max(sampling.parameters.items(), key=lambda item: float(np.nanmax(item[1].rhat, initial=1.0)))[0]
        bad.append((f"chains disagree on '{worst}' (R-hat {sampling.max_rhat:.3f})", longer))


def _judge_weights(sampling: Sampling, bad: Said, doubtful: Said) -> None:
    steep = {name: norm for name, norm in sampling.gradient.items() if not norm <= CLIMBED}
    if steep:
        worst = max(steep, key=lambda name: steep[name] if np.isfinite(steep[name]) else np.inf)
        bad.append((f"no mode was found for {worst} (slope {steep[worst]:.1e})", "Use method='nuts'"))
    if sampling.max_khat > RELIABLE:
        worst = max(sampling.khat, key=lambda name: sampling.khat[name])
        others = sum(k > RELIABLE for k in sampling.khat.values()) - 1
        also = f" and {others} more" if others else ""
        place = bad if sampling.max_khat > HOPELESS_KHAT else doubtful
        place.append((f"the fast path does not fit {worst}{also} (k-hat {sampling.max_khat:.2f})", "Use method='nuts'"))


def _worst(flags: NDArray[np.bool_], names: tuple[str, ...]) -> str:
    """The quantities with a flag ``(target, quantity)``."""
    found = [f"'{n}'" for n, flag in zip(names, np.any(flags, axis=0).tolist(), strict=True) if flag]
    return some_of(found, 3)
