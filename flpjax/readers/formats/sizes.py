"""Parameters, tokens and FLOPs of every row, from what a source says in some rows, in steps, or of a whole run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from flpjax.errors import count, some_of
from flpjax.readers.cells import LARGEST
from flpjax.readers.formats.records import BATCH, BATCH_TOKENS, CONTEXT, Floats, RunRecords

CONSTANT = ("params", "layers", "width", "ffn", BATCH, CONTEXT)
"""What one run has one of: where some row says it, all have it."""
MOST_LISTED = 6


def sized(run: RunRecords) -> tuple[RunRecords, list[str]]:
    """A run whose rows have tokens and FLOPs as far as they can be told, and how they were, in words.

    Tokens that nobody logged are steps × batch × context, or lie on a line between the rows that have them. FLOPs that
    only some rows have are in proportion to tokens.
    """
    columns = {name: values.copy() for name, values in run.columns.items()}
    notes: list[str] = []
    for name in (n for n in CONSTANT if n in columns):
        known = columns[name][np.isfinite(columns[name])]
        if len(known):
            columns[name] = np.where(np.isfinite(columns[name]), columns[name], known[-1])
    steps = run.column("step")
    tokens = columns.get("tokens", np.full(len(run), np.nan))
    open_ = ~np.isfinite(tokens)
    if open_.any() and np.isfinite(tokens).any() and np.isfinite(steps).any():
        tokens = np.where(open_, _on_line(steps, tokens), tokens)
        if np.isfinite(tokens[open_]).any():
            notes.append("tokens of rows without are on a line between those that have them")
        open_ = ~np.isfinite(tokens)
    if open_.any():
        counted, how = _counted(run, columns)
        tokens = np.where(open_, counted, tokens)
        if np.isfinite(counted[open_]).any():
            notes.append(how)
    if np.isfinite(tokens).any():
        columns["tokens"] = tokens
    flops = columns.get("flops")
    if flops is not None and not np.isfinite(flops).all():
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            rates = flops / tokens
        rates = rates[(rates > 0) & (rates < LARGEST)]
        if len(rates):
            columns["flops"] = np.where(np.isfinite(flops), flops, tokens * rates[-1])
            notes.append("FLOPs of rows without are in proportion to tokens")
    return replace(run, columns=columns), notes


def consistent(runs: Sequence[RunRecords]) -> tuple[list[RunRecords], list[str], list[str]]:
    """Runs that all have N, D and C, or none: what few lack leaves them out, what most lack is left out.

    Args:
        runs: Each with FLOPs in every row, or with N and D.

    Returns:
        The runs, what was done, and what is doubtful about it.
    """
    kept, notes, doubts = list(runs), [], []
    for name, words in (("flops", "FLOPs"), ("params", "N"), ("tokens", "tokens")):
        with_it = [run for run in kept if np.isfinite(run.column(name)).all()]
        lacking = [run.run for run in kept if not np.isfinite(run.column(name)).all()]
        if not lacking or not with_it:
            continue
        if name == "flops":
            kept = [_six_nd(run) for run in kept]
            doubts.append(
                f"FLOPs of {_some(lacking)} are 6·N·D, those of the others as logged: are both counted alike?"
            )
        elif 2 * len(lacking) < len(kept):
            kept = with_it
            doubts.append(f"{_some(lacking)} left out: {words} of the others are known, not theirs")
        else:
            kept = [replace(run, columns={n: v for n, v in run.columns.items() if n != name}) for run in kept]
            notes.append(f"{words} left out: not known of {_some(lacking)}")
    sized_alone = all(np.isfinite(run.column(name)).all() for run in kept for name in ("params", "flops"))
    if kept and sized_alone and not any("tokens" in run.columns for run in kept):
        kept = [_by_six_n(run) for run in kept]
        notes.append("tokens computed as C / (6·N)")
    return kept, notes, doubts


def _six_nd(run: RunRecords) -> RunRecords:
    flops = run.column("flops")
    with np.errstate(over="ignore"):
        six = 6.0 * run.column("params") * run.column("tokens")
    return replace(run, columns={**run.columns, "flops": np.where(np.isfinite(flops), flops, six)})


def _by_six_n(run: RunRecords) -> RunRecords:
    with np.errstate(all="ignore"):  # of N = 0 and the like, which are refused with their row when the table is made
        return replace(run, columns={**run.columns, "tokens": run.column("flops") / (6.0 * run.column("params"))})


def _some(names: Sequence[str]) -> str:
    return f"{count(len(names), 'run')} ({some_of(names, MOST_LISTED)})"


def _counted(run: RunRecords, columns: dict[str, Floats]) -> tuple[Floats, str]:
    """``(row,)`` steps × batch × context, NaN where one of them is not known; and that, in words."""
    steps = run.column("step")
    if BATCH_TOKENS in columns:
        batch = columns[BATCH_TOKENS]
        known = batch[np.isfinite(batch)]
        if len(known):
            return steps * np.where(np.isfinite(batch), batch, known[-1]), "tokens are steps × tokens a step"
    lacking = np.full(len(run), np.nan)
    return steps * columns.get(BATCH, lacking) * columns.get(CONTEXT, lacking), "tokens are steps × batch × context"


def _on_line(steps: Floats, tokens: Floats) -> Floats:
    """``(row,)`` tokens at steps, on lines between known ones, and at the pace of the nearest beyond them."""
    known = np.isfinite(steps) & np.isfinite(tokens)
    if not known.any():
        return np.full(len(steps), np.nan)
    order = np.argsort(steps[known], kind="stable")
    x, y = steps[known][order], tokens[known][order]
    inside = np.interp(steps, x, y)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        after = steps / x[-1] * y[-1]
        before = steps / x[0] * y[0] if x[0] > 0 else np.where(steps <= x[0], y[0], np.nan)
    found = np.where(steps > x[-1], after, np.where(steps < x[0], before, inside))
    return np.where(np.abs(found) < LARGEST, found, np.nan)  # at the pace of a step of 1e-320 it is no number
