"""The audit: forecasts from every origin, by the very draws that a user would have got, against what came."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from flpjax.fitting.averaging.average import Average, drawn, of_the_present, weights_by_name
from flpjax.fitting.averaging.origins import MOST, Origins
from flpjax.fitting.even import even_normal
from flpjax.fitting.predicted import predict
from flpjax.fitting.validation import RollingValidation
from flpjax.ladder.table import Runs

EACH = 200  # draws an origin
WIDE, FEWER = 300, 100  # outputs, from which on there are fewer: shares are of so many more that they err less


def audited(average: Average, runs: Runs, origins: Origins, rng: np.random.Generator) -> RollingValidation:
    """Forecast from every origin the runs that it does not see, and count what intervals held.

    Args:
        average: Fitted at the origins.
        runs: The runs that a fit may see.
        origins: Where forecasts are made from.
        rng: For draws and noise.
    """
    finals = runs.finals()
    number = np.array([runs.names.index(finals.names[r]) for r in finals.run], np.intp)
    observed = _observed(average, runs, finals)
    count = len(origins.train_mask)
    names = (*average.domains, *average.tasks)
    draws = FEWER if len(names) >= WIDE else EACH
    each = [drawn(average, min(o, count - 1), draws, rng) for o in range(1, MOST + 1)] if count > 1 else []
    inside, errors, distances, ran = [], [], [], []
    if each:
        model = each[0][0]
        params = jax.tree.map(lambda *leaves: np.concatenate(leaves), *(p for _, p, _ in each))
        noise = [np.concatenate(v) for v in zip(*(n for _, _, n in each), strict=True)]
        normal = np.stack([even_normal(len(each) * draws, rng) for _ in names], axis=1)
        split = len(average.domains)
        loss, score = (np.asarray(v) for v in predict(model, params, finals.law_inputs))
        log_loss = np.log(np.maximum(loss, 1e-12)) + (np.asarray(noise[0]) * normal[:, :split])[:, None]
        noisy = np.clip(score + (np.asarray(noise[1]) * normal[:, split:])[:, None], 0.0, 1.0)
        values = np.concatenate([log_loss, noisy], axis=2).reshape(-1, draws, len(finals), len(names))
        for o in range(1, count):
            ahead = origins.forecast_mask[o, number]
            cells = values[o - 1][:, ahead]
            known = np.isfinite(cells).mean(axis=0) > 0.5
            level = np.where(known & np.isfinite(observed[ahead]), _level(cells, observed[ahead]), np.nan)
            inside.append(level)
            errors.append(np.where(np.isfinite(level), _medians(cells) - observed[ahead], np.nan))
            distances.append(origins.distance[o, number[ahead]])
            ran.append(number[ahead])
    return _summary(average, weights_by_name(of_the_present(average)), inside, errors, distances, ran)


def _summary(
    average: Average,
    weights: Any,
    inside: list[NDArray[Any]],
    errors: list[NDArray[Any]],
    distances: list[NDArray[Any]],
    ran: list[NDArray[Any]],
) -> RollingValidation:
    outputs = (*average.domains, *average.tasks)
    if not inside:
        nan = float("nan")
        return RollingValidation(0, 0, nan, nan, outputs, dict(weights), losses=len(average.domains))
    level, distance, run = np.concatenate(inside), np.concatenate(distances), np.concatenate(ran)
    scored = np.isfinite(level)
    half, most = (
        float(np.mean(np.abs(level[scored] - 0.5) <= 0.5 * p)) if scored.any() else float("nan") for p in (0.5, 0.9)
    )
    split = len(average.domains)
    last = np.concatenate(errors)
    latest = np.zeros(len(last), bool)
    latest[[int(np.flatnonzero(run == r)[-1]) for r in np.unique(run)]] = True

    signed = last[latest][:, :split] if split else last[latest]
    signed = np.array([row[np.isfinite(row)].mean() for row in signed if np.isfinite(row).any()])
    reached = distance[scored.any(axis=1) & (distance > 0.0)]

    def mean(values: NDArray[Any]) -> float:
        known = np.abs(values[np.isfinite(values)])
        return float(known.mean()) if known.size else float("nan")

    return RollingValidation(
        len(np.unique(run[scored.any(axis=1) & (distance > 0.0)])),
        int(scored.sum()),
        half,
        most,
        outputs,
        dict(weights),
        (mean(last[latest][:, :split]), mean(last[latest][:, split:])),
        (int((signed > 0.0).sum()), int((signed < 0.0).sum())),
        float(signed.mean()) if len(signed) else float("nan"),
        float(reached.max()) if len(reached) else float("nan"),
        split,
    )


def _observed(average: Average, runs: Runs, finals: Runs) -> NDArray[np.float64]:
    """``(final, output)`` log losses and scores of final checkpoints."""
    wide = finals.with_average() if any(d not in finals.domains for d in average.domains) else finals
    losses = [np.log(wide.loss_of(d)) for d in average.domains]
    return np.stack([*losses, *(finals.score_of(t) for t in average.tasks)], axis=1)


def _level(draws: NDArray[Any], observed: NDArray[Any]) -> NDArray[Any]:
    """``(run, output)`` share of the draws ``(draw, run, output)`` below what was measured."""
    known = np.isfinite(draws)
    return np.asarray(((draws < observed) & known).sum(axis=0) / np.maximum(known.sum(axis=0), 1))


def _medians(draws: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(np.median(np.where(np.isfinite(draws), draws, 0.0), axis=0))
