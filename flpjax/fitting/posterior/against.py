"""What data add to priors: each parameter before and after, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from flpjax.errors import InputError
from flpjax.fitting.draws import Draws, refuse_unfitted
from flpjax.fitting.posterior.priors import Priors
from flpjax.numerics import on_device


def against_priors(draws: Draws, priors: Priors, level: float = 0.9) -> list[dict[str, Any]]:
    """One row a parameter and output: its central interval by the prior, and by the draws.

    Args:
        draws: Of one method, such as of :func:`flpjax.posterior`.
        priors: Of the same method on the same ladder, as :func:`flpjax.priors_of` gives them.
        level: Probability of the intervals.

    Returns:
        Rows of ``name``, ``output``, ``support``, ``prior_lower``, ``prior_median``, ``prior_upper``, ``lower``,
        ``median``, ``upper``, all in the parameter's own space, and ``narrowed``: 1 less the ratio of the standard
        deviations after and before, in the unconstrained space, so that 0 says that the data tell nothing.

    Raises:
        InputError: The draws have none of these parameters, or no interval.
    """
    refuse_unfitted(draws)
    from scipy.special import ndtri

    if not draws.has_intervals:
        raise InputError(
            f"there is nothing to compare: {draws.why_no_intervals}", where="against_priors", remedy="Ask for draws"
        )
    ends = [(1.0 - level) / 2.0, 0.5, (1.0 + level) / 2.0]
    rows: list[dict[str, Any]] = []
    for row in priors.rows:
        stage, _, name = row.name.partition("/")
        of_stage: Any = draws.params.get(stage, {})
        if not isinstance(of_stage, Mapping) or name not in of_stage:
            continue  # noise is no parameter of a law
        values = np.asarray(of_stage[name])
        if values.shape[1:] != row.loc.shape or row.loc.ndim != 1:
            continue
        free = np.asarray(row.parameter.bijector.inv(on_device(values)))
        before = row.bounds(float(ndtri(ends[2])))
        after = np.nanquantile(values, ends, axis=0)
        narrowed = 1.0 - np.nanstd(free, axis=0) / row.scale
        for o, output in enumerate(row.outputs):
            known: dict[str, Any] = {"name": row.name, "output": output, "support": row.support}
            known |= {f"prior_{end}": float(b[o]) for end, b in zip(("lower", "median", "upper"), before, strict=True)}
            known |= {end: float(a[o]) for end, a in zip(("lower", "median", "upper"), after, strict=True)}
            rows.append({**known, "narrowed": float(narrowed[o])})
    if not rows:
        raise InputError(
            "the draws have none of these parameters", where="against_priors", remedy="Give priors_of the same method"
        )
    return rows
