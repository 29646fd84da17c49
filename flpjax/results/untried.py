"""Whether targets ask for a mixture, or another feature, that no run is like: there a law is carried on unchecked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import some_of
from flpjax.fitting.draws import Draws
from flpjax.ladder.features import Feature
from flpjax.ladder.table import Runs
from flpjax.laws.repeated import UNIQUE, repeats
from flpjax.methods.mixtures import SAME
from flpjax.results.ladder_checks import SAME_FEATURE
from flpjax.results.target import Target
from flpjax.results.verdicts import Finding, Verdict, between

BEYOND, BEYOND_BAD = 0.05, 0.2  # Euclidean distance to the hull of the mixtures tried
PAST, PAST_BAD = 0.1, 1.0  # how far past the values tried, in widths of their range
NARROWEST = 0.1  # range of values that hardly differ, as laws see them: what rounds is not far from them


def hull_distance(tried: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Euclidean distance of a mixture ``(source,)`` to the nearest blend of mixtures ``(mixture, source)``."""
    from scipy.optimize import nnls

    heavy = 1e3  # makes the shares of the blend sum to 1
    table = np.vstack([tried.T, np.full(len(tried), heavy)])
    blend, _ = nnls(table, np.r_[weights, heavy])
    return float(np.linalg.norm(tried.T @ (blend / blend.sum()) - weights))


def check_hull(draws: Draws, targets: Sequence[Target]) -> Iterator[Finding]:
    """The mixtures of targets are blends of mixtures that were tried, or near to one."""
    sources, tried = draws.model.sources, np.array(draws.ladder.mixtures)
    beyond = [(hull_distance(tried, t.weights(sources)), t.name) for t in targets if sources and t.mix is not None]
    if not beyond:
        return
    farthest, name = max(beyond)
    verdict = between(farthest, BEYOND, BEYOND_BAD)
    if farthest <= SAME:
        yield Finding("hull", verdict, "every mixture asked for is a blend of mixtures tried")
        return
    remedy = "Train a run near it, or keep to mixtures between those tried" if verdict else ""
    figure = f"the mixture of '{name}' lies {farthest:.2g} beyond all blends of mixtures tried"
    yield Finding("hull", verdict, figure, remedy)


def check_features(draws: Draws, training: Runs, targets: Sequence[Target] = ()) -> Iterator[Finding]:
    """Every further feature that tells runs apart is read by some law, and targets have values like the runs'."""
    if not training.extra_features:
        return
    finals = training.finals()
    varies = [f.name for f in training.extra_features if np.ptp(f.transformed(finals.features[f.name])) > SAME_FEATURE]
    if not repeats(training.features, training.tokens):
        varies = [name for name in varies if name != UNIQUE]  # new data, as the laws take them to be
    unread = [f"'{name}'" for name in varies if name not in draws.model.inputs]
    if unread:
        figure = f"runs differ in {some_of(unread)}, which no law here reads"
        remedy = "Forecast runs that are alike in it, or name a method whose law reads it"
        yield Finding("features", Verdict.REVIEW, figure, remedy)
        return
    read = [f for f in training.extra_features if f.name in draws.model.inputs]
    asked = [(f, t, (t.features or {}).get(f.name)) for f in read for t in targets]
    past = [(_past(f, finals, t.filled(draws.ladder.rule), v), f, t, v) for f, t, v in asked if v is not None]
    farthest, feature, target, value = max(past, key=lambda each: each[0], default=(0.0, None, None, 0.0))
    verdict = between(farthest, PAST, PAST_BAD)
    if feature is None or target is None or verdict == Verdict.PASS:
        yield Finding("features", Verdict.PASS, "every feature that varies is read by some law")
        return
    tried = finals.features[feature.name]
    figure = f"{feature.name} {value:.3g} of '{target.name}' lies outside of what runs tried"
    figure += f" ({np.nanmin(tried):.3g} to {np.nanmax(tried):.3g})" if np.ptp(tried) > 0 else f" ({tried[0]:.3g})"
    yield Finding("features", verdict, figure, "Train runs near it, or ask for a value that was tried")


def _past(feature: Feature, finals: Runs, target: Target, value: float) -> float:
    """How far a target's value lies past those of the runs, in widths of their range.

    What grows with the model, as a width or a batch does, is not past where it goes on along the line of the runs'
    values on log C.
    """
    assert target.flops is not None
    seen = feature.transformed(np.r_[finals.features[feature.name], value])
    if feature.name == UNIQUE:  # laws read how often tokens are seen, of which once is as good as less
        seen = np.maximum(np.log(np.r_[finals.tokens, target.tokens or np.nan]) - seen, 0.0)
    log_flops = np.log(np.r_[finals.flops, target.flops])
    grows = np.polynomial.Polynomial.fit(log_flops[:-1], seen[:-1], 1)(log_flops) if np.ptp(log_flops[:-1]) > 0 else 0.0
    return min(_outside(seen), _outside(seen - grows)) / max(float(np.ptp(seen[:-1])), NARROWEST)


def _outside(values: NDArray[np.float64]) -> float:
    """How far the last value lies outside of the others."""
    return float(max(values[:-1].min() - values[-1], values[-1] - values[:-1].max(), 0.0))
