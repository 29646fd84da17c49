"""Posterior draws as ArviZ takes them: for its plots, diagnostics and files. Needs the extra ``arviz``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import InputError
from flpjax.fitting.draws import Draws, refuse_unfitted

AXES = {"loss": "domain", "score": "task"}


def to_arviz(draws: Draws) -> Any:
    """Posterior draws as ArviZ's own object: an ``InferenceData`` of arviz 0.23, a ``DataTree`` of arviz 1.

    Variables are named as priors are (``loss/exponent``, ``noise/score/run``), with the slash as an underscore, which
    both kinds of trees and files allow; their axes are ``chain``, ``draw``, and ``domain`` or ``task``.

    Args:
        draws: Of a posterior.

    Raises:
        InputError: ArviZ is not installed, or the draws are of no posterior.
    """
    refuse_unfitted(draws)
    if draws.sampling is None:
        raise InputError(f"{draws.kind} draws have no chains", where="to_arviz", remedy="Give draws of posterior()")
    try:
        import arviz
    except ImportError as error:
        raise InputError("ArviZ is not installed", where="to_arviz", remedy="pip install 'flpjax[arviz]'") from error
    sampling = draws.sampling

    def by_chain(values: Any) -> NDArray[np.float64]:
        array = np.asarray(values)
        return array.reshape(sampling.chains, len(array) // sampling.chains, *array.shape[1:])

    found: dict[str, Any] = {
        f"{stage}/{name}": v for stage, params in draws.params.items() for name, v in params.items()
    }
    found |= sampling.noise
    variables, dims = {}, {}
    for name, values in found.items():
        key = name.replace("/", "_")
        variables[key] = by_chain(values)
        extra = variables[key].ndim - 3
        dims[key] = [AXES[name.removeprefix("noise/").partition("/")[0]], *(f"{key}_{i}" for i in range(extra))]
    groups = {
        "posterior": variables,
        "sample_stats": {
            "diverging": sampling.diverging,
            "n_steps": sampling.steps,
            "acceptance_rate": sampling.acceptance,
        },
    }
    coords = {"domain": list(draws.model.domains), "task": list(draws.model.tasks)}
    if int(arviz.__version__.partition(".")[0]) >= 1:
        return arviz.from_dict(groups, coords=coords, dims=dims)
    return arviz.from_dict(**groups, coords=coords, dims=dims)
