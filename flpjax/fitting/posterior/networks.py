"""Posteriors of networks on many ladders at once: outputs of all of them are populations of a few programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from zlib import crc32

import jax
import numpy as np
from jax import Array
from numpy.typing import ArrayLike

from flpjax.errors import FlpjaxError
from flpjax.fitting.draws import Draws, StageFit
from flpjax.fitting.point import bind, fit_stages
from flpjax.fitting.posterior.assemble import JUDGED, assemble
from flpjax.fitting.posterior.populations import by_populations, usual_tempering
from flpjax.fitting.posterior.posterior import REPORTED_STARTS, with_wrong_losses
from flpjax.fitting.posterior.priors import Normal, PosteriorProblem, posterior_problem
from flpjax.fitting.posterior.together import in_threads
from flpjax.ladder.table import Runs
from flpjax.methods.method import Method


@dataclass(frozen=True, eq=False)
class _Ladder:
    """One ladder, ready to be sampled."""

    name: str
    problem: PosteriorProblem
    fits: dict[str, StageFit]
    key: Array


def of_networks(
    chosen: Method,
    named: Mapping[str, Runs],
    key: Array,
    *,
    draws: int,
    chains: int,
    priors: Mapping[str, Normal | tuple[ArrayLike, ArrayLike]] | None = None,
    emergence: bool | None = None,
    strict: bool = True,
    progress: Callable[[str], None] | None = None,
) -> dict[str, Draws | str]:
    """Draws of each ladder, as :func:`flpjax.posterior` with ``method="tempered"`` has them, or why there are none.

    Args:
        chosen: The method, with a network.
        named: Name → ladder.
        key: JAX random key.
        draws: Of each ladder.
        chains: Of each ladder.
        priors: As for :func:`flpjax.posterior`.
        emergence: As for :func:`flpjax.posterior`.
        strict: Whether a ladder whose sampling failed has no draws; otherwise its draws say so.
        progress: Called with what is done, before it is.
    """
    tell = progress or (lambda _: None)

    def begun(name: str) -> _Ladder | str:
        own = jax.random.fold_in(key, crc32(name.encode()))
        try:
            plain = bind(chosen, named[name])
            problem = posterior_problem(with_wrong_losses(plain), priors, emergence)
            _, _, fits = fit_stages(plain, np.ones((1, len(plain.runs.names))), own, REPORTED_STARTS, None)
            return _Ladder(name, problem, fits, own)
        except FlpjaxError as error:
            return str(error)

    tell(f"{len(named)} ladders")
    each = -(-draws // chains)
    first = dict(zip(named, in_threads(begun, named), strict=True))
    ladders = [ladder for ladder in first.values() if isinstance(ladder, _Ladder)]
    found = by_populations(
        [ladder.problem for ladder in ladders], usual_tempering(), max(each, JUDGED), chains, key, tell
    )

    def done(i: int) -> Draws | str:
        ladder = ladders[i]
        try:
            return assemble(ladder.problem, found[i], ladder.fits, {}, "tempered", chains, ladder.key, strict, each)
        except FlpjaxError as error:
            return str(error)

    drawn = dict(zip((ladder.name for ladder in ladders), in_threads(done, range(len(ladders))), strict=True))
    return {name: drawn.get(name, why if isinstance(why, str) else "") for name, why in first.items()}
