"""Losses that have logarithms."""

from __future__ import annotations

from dataclasses import replace

from flpjax.ladder.table import Runs


def without_signed(runs: Runs) -> Runs:
    """The same table without the losses that may be negative, for what takes logarithms."""
    if not runs.signed:
        return runs
    kept = [d not in runs.signed for d in runs.domains]
    domains = tuple(d for d in runs.domains if d not in runs.signed)
    return replace(runs, domains=domains, loss=runs.loss[:, kept], signed=())
