"""Runs that the others do not explain: they would widen the noise of all and bend a law to themselves."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flpjax.ladder.audit.rosner import OutlierTest
from flpjax.ladder.audit.trend import LOSS, basis
from flpjax.ladder.features import Features

FEWEST = 8  # runs; of fewer none is left out, since each is a good part of what is known
REMEMBERED = 512  # tables of losses: several laws are fitted to each


def outlying(x: Any, log_loss: NDArray[np.float64], seen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """``(origin, row)`` the rows seen whose loss does not belong to the others', as ``flpjax check`` finds them.

    A smooth trend over N, D and mixture predicts each from the others; one is an outlier if it departs further than the
    scatter of the others, and its tail, explain (:class:`~flpjax.ladder.audit.rosner.OutlierTest`). At earlier
    origins, only the rows up to there are used.

    Args:
        x: Features of the rows, one row a run.
        log_loss: ``(row,)``.
        seen: ``(origin, row)``.
    """
    out = np.zeros(seen.shape, bool)
    if not isinstance(x, Features) or not {"params", "tokens"} <= set(x.names):
        return out
    mix = np.asarray(x.weights) if "mix" in x else np.zeros((len(log_loss), 0))
    table = np.concatenate([np.stack([x["params"], x["tokens"], log_loss], axis=1), mix], axis=1)
    last = np.zeros(seen.shape[1], bool)
    for origin, mask in enumerate(seen):
        if origin and not (last & mask).any():
            continue  # none of those that all runs together put out
        rows = np.ascontiguousarray(table[mask])
        out[origin, mask] = _silenced(rows.tobytes(), rows.shape)
        last = out[0]
    return out


@lru_cache(maxsize=REMEMBERED)
def _silenced(table: bytes, shape: tuple[int, int]) -> NDArray[np.bool_]:
    rows = np.frombuffer(table).reshape(shape)
    if len(rows) < FEWEST or not np.isfinite(rows).all():
        return np.zeros(len(rows), bool)
    log_params, log_tokens, log_loss = rows[:, :3].T
    prior = LOSS.slope * (log_params + log_tokens)
    features = basis(log_params, log_tokens, rows[:, 3:], LOSS)
    found, _ = OutlierTest(1).outliers(features, log_loss - prior - np.median(log_loss - prior), LOSS.least_noise, b"")
    return found
