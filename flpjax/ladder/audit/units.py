"""Values that no training run of a language model has: a wrong unit, or two columns that are swapped."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import some_of
from flpjax.ladder.audit.fault import MOST_LISTED, Fault, Kind
from flpjax.ladder.design import log_sizes
from flpjax.ladder.table import Runs

Floats = NDArray[np.float64]
LEAST_PARAMS = 1e4  # a transformer of width 16 has more
MOST_PARAMS, MOST_TOKENS = 1e14, 1e16  # hundreds of times the largest model there is, and all text that there is
RATIO = 1.0, 1e4  # tokens per parameter of most of a ladder's runs; published ladders have medians of 4 to 1,000
RATIO_RANGE = "1 to 10,000 are usual"
ONE_RATIO = 0.005, 5e5  # of a single run; published grids reach .03 and 64,000
APART = 20.0  # × beyond the others' tokens per parameter
LN_VOCABULARY = 12.6  # nats per token, ln of 300,000 words: what guessing at random costs in the largest vocabularies
EARLY = 0.1  # of a run's tokens
AT_START = 25.0  # the same before training: a bad start is worse than guessing
LEAST_LOSS = 0.02  # nats per token or byte
MOST_TIMES_EXPECTED = 2.0  # × the loss of Chinchilla's law at N and D; published domains of text reach 1.35
CHINCHILLA = 1.817, 482.0, 0.348, 2085.0, 0.366  # E, A, α, B, β of Besiroglu et al. 2024
FEWEST = 3  # runs that tell a column's fault from a run's
SHARED = 0.3  # share of runs that makes it the column's fault
STEEPEST = 0.18  # |d log loss / d log C|; published losses in nats fall by .03 to .12, perplexities by that × the loss
APART_IN_C = 1.0  # in log C: medians of two halves that are nearer tell no slope
SAME_MIX = 0.05  # of a weight: a loss falls as steeply from one mixture to another
ATTENTION = 2.0 / 3.0  # of the FLOPs beyond 6·N·D: what shapes of one size differ by
FLOPS_TOLERANCE = 0.05  # of FLOPs per parameter and token, that rounding does not explain
TYPICAL_FLOPS = 3.0, 40.0  # per parameter and token: 6, more for small wide models with long contexts

DECLARE = "declare its unit in a mapping file, say {}"


def wrong_units(runs: Runs) -> list[Fault]:
    """Name columns, or runs of them, whose unit can't be what it should be.

    Args:
        runs: The ladder; held-out runs may be among it.
    """
    ends = np.append(runs.run[1:] != runs.run[:-1], True)
    last = runs.rows(ends)
    sized = {"params", "tokens"} <= set(last.features)
    return [*(_sizes(last) + _flops(last) if sized else []), *_losses(runs)]


def _named(runs: Runs, rows: NDArray[np.bool_]) -> str:
    names = [f"'{runs.names[i]}'" for i in dict.fromkeys(runs.run[rows].tolist())]
    return ("run " if len(names) == 1 else "runs ") + some_of(names, MOST_LISTED)


def _sizes(last: Runs) -> list[Fault]:
    """Of N and D, one row a run."""
    ratio = last.tokens / last.params
    typical = float(np.median(ratio))
    small, large = last.params < LEAST_PARAMS, (last.params > MOST_PARAMS) | (last.tokens > MOST_TOKENS)
    remedy_n = 'Declare the unit in a mapping file, say params = { column = "…", unit = "Mparams" }, or correct it'
    remedy_d = 'Declare the unit in a mapping file, say tokens = { column = "…", unit = "Btokens" }, or correct it'
    if small.any():
        which = "column 'params'" if small.mean() > SHARED else f"column 'params' of {_named(last, small)}"
        value = float(np.median(last.params[small]))
        return [
            Fault(
                Kind.UNITS,
                severe=True,
                what=f"{which}: {value:.3g} parameters are fewer than any model has",
                remedy=remedy_n,
            )
        ]
    if large.any():
        what = f"{_named(last, large)}: {last.params[large][0]:.3g} parameters (column 'params') and "
        what += f"{last.tokens[large][0]:.3g} tokens (column 'tokens') are more than any run has"
        return [Fault(Kind.UNITS, severe=True, what=what, remedy=remedy_d)]
    if typical < RATIO[0]:
        what = f"columns 'params' and 'tokens': most runs have {typical:.2g} tokens per parameter, where {RATIO_RANGE}"
        swapped = "They are swapped, or tokens are in another unit, or steps: " if typical > 1e-4 else ""
        return [Fault(Kind.UNITS, severe=True, what=what, remedy=swapped + remedy_d)]
    if typical > RATIO[1]:
        what = f"columns 'params' and 'tokens': most runs have {typical:,.3g} tokens per parameter, where {RATIO_RANGE}"
        return [Fault(Kind.UNITS, severe=True, what=what, remedy=remedy_n)]
    return _odd_ratios(last, ratio, f"{remedy_d}; leave the run out with --exclude")


def _odd_ratios(last: Runs, ratio: Floats, remedy: str) -> list[Fault]:
    """Single runs whose tokens per parameter are out of the question, or far from all others'."""
    odd = (ratio < ONE_RATIO[0]) | (ratio > ONE_RATIO[1])
    if len(ratio) > 3:
        ordered = np.sort(ratio)
        below, above = ordered[0] * APART < ordered[1], ordered[-1] > APART * ordered[-2]
        odd |= (below & (ratio == ordered[0]) & (ratio < RATIO[0])) | (
            above & (ratio == ordered[-1]) & (ratio > RATIO[1])
        )
    if not odd.any():
        return []
    others = ratio[~odd]
    usual = f", where the others have {others.min():.3g} to {others.max():.3g}" if len(others) else ""
    what = f"{_named(last, odd)}: {ratio[odd][0]:.3g} tokens per parameter (columns 'params' and 'tokens'){usual}"
    return [
        Fault(Kind.UNITS, severe=True, what=what, remedy=f"N and D are swapped there, or in another unit. {remedy}")
    ]


def _flops(last: Runs) -> list[Fault]:
    """Of C, one row a run: runs that are not counted as the others are."""
    per_nd = last.flops / (last.params * last.tokens)
    odd, usual = flops_departures(last.params, last.tokens, last.flops)
    remedy = 'Count all rows alike, or declare the unit, say flops = { column = "…", unit = "GFLOPs" }'
    typical = float(np.median(per_nd))
    if odd.any():
        what = f"FLOPs of {_named(last, odd)} are {per_nd[odd][0]:.3g} per parameter and token (column 'flops'), where "
        what += f"the others' rule says about {usual[odd][0]:.3g}"
        return [Fault(Kind.UNITS, severe=False, what=what, remedy=remedy)]
    if not TYPICAL_FLOPS[0] <= typical <= TYPICAL_FLOPS[1]:
        what = f"column 'flops': {typical:.3g} FLOPs per parameter and token, where 6 and some for attention are usual"
        return [Fault(Kind.UNITS, severe=False, what=what, remedy=f"{remedy}; mixtures of experts may be so")]
    return []


def flops_departures(params: Floats, tokens: Floats, flops: Floats) -> tuple[NDArray[np.bool_], Floats]:
    """``(row,)`` which FLOPs are not counted by the rule of the others, and FLOPs per parameter and token of the rule.

    A rule is ``6 + excess``, and the excess a power of N. Attention makes it ``6·layers·width·context / N``, in which
    shapes of one size differ, as embeddings do; so a departure within two thirds of the excess is none.

    Args:
        params: ``(row,)`` N.
        tokens: ``(row,)`` D.
        flops: ``(row,)`` C.
    """
    per_nd = flops / (params * tokens)
    log_n = np.log(params)
    excess = np.maximum(per_nd - 6.0, 0.0)
    usual = np.full_like(per_nd, np.median(per_nd))
    if np.mean(excess > 0.06) > 0.5:
        positive = excess > 0.06
        slope, level = _line(log_n[positive], np.log(excess[positive]))
        usual = 6.0 + np.exp(level + slope * log_n)
    elif np.median(per_nd) < 5.7:
        slope, level = _line(log_n, np.log(per_nd))
        usual = np.exp(level + slope * log_n)
    tolerance = np.maximum(FLOPS_TOLERANCE * usual, ATTENTION * np.maximum(usual - 6.0, 0.0))
    return np.abs(per_nd - usual) > tolerance, usual


def _line(x: Floats, y: Floats) -> tuple[float, float]:
    """Slope and level of the line through medians of the lower and the upper half: a few wrong rows don't move it."""
    order = np.argsort(x, kind="stable")
    low, high = np.array_split(order, 2) if len(x) > 1 else (order, order)
    run = float(np.median(x[high]) - np.median(x[low])) if len(low) and len(high) else 0.0
    slope = float(np.median(y[high]) - np.median(y[low])) / run if run > 1e-6 else 0.0
    return slope, float(np.median(y - slope * x))


def _losses(runs: Runs) -> list[Fault]:
    """Of losses: a perplexity, a broken run, or a column that is no loss."""
    faults = []
    finals = runs.finals()
    most = np.zeros(len(runs.names))
    np.maximum.at(most, runs.run, runs.progress)
    first = (runs.progress <= EARLY * most[runs.run]) | (np.append(True, runs.run[1:] != runs.run[:-1]) & ~runs.final)
    ceiling = np.where(first, AT_START, LN_VOCABULARY)
    columns = [(f"loss/{d}", runs.loss[:, j], finals.loss[:, j]) for j, d in enumerate(runs.domains)]
    columns.append(("train_loss", runs.train_loss, finals.train_loss))
    for name, values, at_end in columns:
        known = np.isfinite(at_end)
        high, low = np.isfinite(values) & (values > ceiling), np.isfinite(values) & (values < LEAST_LOSS)
        if known.sum() >= FEWEST and _is_perplexity(finals, at_end, known):
            some = float(np.median(at_end[known]))
            what = (
                f"column '{name}': final losses of {some:.3g} nats are more than a trained model has; they look like "
            )
            what += f"perplexities, whose logarithm would be {np.log(some):.3g}" if some > 1 else "another unit"
            faults.append(
                Fault(Kind.UNITS, severe=True, what=what, remedy="Give losses in nats: the logarithm of a perplexity")
            )
            continue
        for bad, why in (
            (high, "is worse than guessing at random in any vocabulary"),
            (low, "is too good for any text"),
        ):
            if bad.any():
                value = float(values[bad].max() if bad is high else values[bad].min())
                what = f"{_named(runs, bad)}: a value of {value:.4g} nats in column '{name}' {why}"
                remedy = "A run that diverged, a broken evaluation, or another unit: correct it, or --exclude the run"
                faults.append(Fault(Kind.UNITS, severe=bool((bad & runs.final).any()), what=what, remedy=remedy))
    return faults


def _is_perplexity(finals: Runs, loss: Floats, known: NDArray[np.bool_]) -> bool:
    """Whether losses of the finals are too large for their sizes, or fall too steeply, to be in nats."""
    e, a, alpha, b, beta = CHINCHILLA
    log_n, log_d = (v[known] for v in log_sizes(finals))
    usual = e + a / np.exp(log_n) ** alpha + b / np.exp(log_d) ** beta
    log_c, y = np.log(finals.flops[known]), np.log(loss[known])
    slope, _ = _line(log_c, y)
    order = np.argsort(log_c, kind="stable")
    low, high = (float(np.median(log_c[half])) for half in np.array_split(order, 2)) if len(y) > 3 else (0.0, 0.0)
    alike = bool(np.all(np.ptp(finals.mix[known], axis=0) < SAME_MIX)) if finals.sources else True
    steep = alike and high - low > APART_IN_C and -slope > STEEPEST and loss[known].min() > 1.5
    return bool(
        np.median(loss[known] / usual) > MOST_TIMES_EXPECTED or np.mean(loss[known] > LN_VOCABULARY) > SHARED or steep
    )
