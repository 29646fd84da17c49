"""What the reader of a speed-up should know: how few runs there are, what was not tried, what the draws miss."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flpjax.errors import some_of
from flpjax.fitting.posterior.weights import RELIABLE
from flpjax.results.speedup.fitted import Tables
from flpjax.results.speedup.result import OutputSpeedup

FEW = 4  # runs of a recipe up to which the reader is told how little they tell
NARROW = float(np.log(3.0))  # of log C: a recipe tried over less says little of how it scales


def warnings_of(
    found: Sequence[OutputSpeedup], tables: Tables, names: tuple[str, str], khats: Sequence[float]
) -> list[str]:
    """In the order in which they matter."""
    warnings = [few_runs(found[0])] if min(found[0].runs) <= FEW else []
    apart = [each.name for each in found if np.isnan(each.measured[0])]
    if apart:
        warnings.append(
            f"By {some_of(apart)} there is no compute at which both recipes were tried: the factor rests on how laws "
            "carry on. Train one run of either where the other's are"
        )
    for name, sizes in zip(names, tables.sizes, strict=True):
        if np.ptp(sizes.flops) < NARROW:
            warnings.append(
                f"{name} was tried over a factor {np.exp(np.ptp(sizes.flops)):.2g} in compute: how the factor changes "
                "with scale rests on the other recipe's exponents"
            )
    ratios = [sizes.tokens - sizes.params for sizes in tables.sizes]
    if tables.frame.sizes and max(ratios[0].min() - ratios[1].max(), ratios[1].min() - ratios[0].max()) > 0:
        ends = [f"{np.exp(r.min()):.3g} to {np.exp(r.max()):.3g}" for r in ratios]
        warnings.append(
            f"No tokens per parameter are common to both ({ends[0]} against {ends[1]}): the factor at the same N and D "
            "rests on the law of N and D"
        )
    unreliable = [each.name for each, khat in zip(found, khats, strict=True) if khat > RELIABLE]
    if unreliable:
        warnings.append(
            f"Draws by {some_of(unreliable)} miss a part of what is probable: ask for another --seed, and compare"
        )
    return warnings


def few_runs(output: OutputSpeedup) -> str:
    """How little a few runs tell."""
    evidence, noise = output.evidence, output.evidence.noise
    return (
        f"{output.runs[0]} and {output.runs[1]} runs tell little: that one factor holds at every scale has probability "
        f"{evidence.constant:.2f}, {evidence.constant_before:.2f} before a run was seen, and runs scatter by anything "
        f"from {100.0 * noise.lower:.2g} to {100.0 * noise.upper:.2g} %, by what other ladders do as much as by what "
        "these did. One more run of each is worth most"
    )
