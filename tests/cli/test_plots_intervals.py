"""Pictures of intervals show the numbers of their tables: a forecast, what came, a mixture of many sources."""

import dataclasses

import numpy as np
import pytest

import flpjax
from flpjax.cli import pictured
from flpjax.cli.plots_intervals import MOST
from flpjax.results.mix import Baseline, Change
from flpjax.results.prediction import Interval
from flpjax.results.score_log import Calibration, Logged
from flpjax.results.scoring import Scored, Scoring
from flpjax.shown import ShownAsTable

CELLS = tuple(
    Scored("7B", kind, name, median, median - 0.1, median + 0.2, actual, 0.5, 0.01, 0.02)
    for kind, name, median, actual in (
        ("loss", "c4", 2.5, 2.45),
        ("score", "mmlu", 0.45, 0.7),
        ("score", "arc", 0.5, 0.5),
    )
)


def marks(ax):
    """Values of the dots, ends of the bars, and crosses of a panel, from above."""
    bars = [segment[:, 0] for segment in ax.collections[0].get_segments()]
    crosses = [c.get_offsets()[:, 0] for c in ax.collections[1:]]
    return ax.lines[0].get_xdata(orig=False), np.array(bars), crosses[0] if crosses else None


def test_what_came_is_drawn_beside_what_was_forecast():
    figure = Scoring("7B", "then", "", "flp", 0.9, CELLS, ()).plot()
    losses, scores = figure.axes
    dots, bars, crosses = marks(scores)
    np.testing.assert_allclose(dots, [45.0, 50.0])
    np.testing.assert_allclose(bars, [[35.0, 65.0], [40.0, 70.0]])
    np.testing.assert_allclose(crosses, [70.0, 50.0])
    assert [label.get_text() for label in scores.get_yticklabels()] == ["mmlu", "arc"]
    assert (losses.get_xlabel(), scores.get_xlabel()) == ("loss (nats)", "score (%)")
    assert "2 of 3 intervals hold it" in figure.get_suptitle()


def test_a_mixture_of_many_sources_is_bars():
    sources = tuple(f"s{i}" for i in range(MOST + 5))
    weights = np.arange(1.0, len(sources) + 1)
    weights /= weights.sum()
    mix = flpjax.Mix(
        method="m3",
        target=flpjax.Target("1B", flops=1e21),
        sources=sources,
        weights=weights,
        value=0.5,
        baseline=Baseline("the usual", dict.fromkeys(sources, 1 / len(sources))),
        gain=Interval(0.01, -0.01, 0.03),
        p_gain=0.8,
        level=0.9,
        spread={s: Interval(w, 0.5 * w, 2.0 * w) for s, w in zip(sources, weights, strict=True)},
        draw_weights=weights[None],
        changes=tuple(
            Change(n, "score", c, Interval(0.5, 0.4, 0.6), Interval(0.4, 0.3, 0.5), Interval(0.02, -0.01, 0.04))
            for n, c in (("asked", 1.0), ("other", 0.0))
        ),
        binding=(),
        nearest=0.0,
        beyond=0.0,
        kkt=0.0,
        agree=1.0,
        status="converged",
        draws=1,
        warnings=(),
    )
    left, right = mix.plot().axes
    dots, bars, crosses = marks(left)
    np.testing.assert_allclose(dots, 100 * np.sort(weights)[::-1][:MOST])
    np.testing.assert_allclose(bars[0], 100 * weights[-1] * np.array([0.5, 2.0]))
    np.testing.assert_allclose(crosses, 100 / len(sources))
    assert left.get_title() == f"the mixture, the first {MOST} of {len(sources)}"
    np.testing.assert_allclose(right.lines[1].get_xdata(orig=False), [2.0])
    assert [label.get_text() for label in right.get_yticklabels()] == ["asked"]
    assert mix.table().columns == list(mix.to_dicts()[0])


def test_a_log_is_drawn_in_the_style_of_all():
    lines = tuple(Logged("f", "flp", 0.9, dataclasses.replace(CELLS[0], rank=rank)) for rank in (0.02, 0.5, 0.98))
    figure = Calibration(1, lines).plot()
    assert "3 quantities of 1 forecast" in figure.get_suptitle()
    held = figure.axes[0].lines[1]
    at_90 = held.get_ydata()[np.searchsorted(held.get_xdata(orig=False), 90.0, side="right") - 1]
    assert at_90 == pytest.approx(100 / 3)
    level, share = (np.asarray(c.get_offsets())[:, 0] for c in figure.axes[2].collections[1:])
    (row,) = Calibration(1, lines).by_forecast()
    assert (*level, *share) == pytest.approx((90.0, 100.0 * row["held"] / 3))
    assert figure.axes[2].get_yticklabels()[0].get_text().endswith(f": {row['held']} of 3")


def test_every_picture_by_kind_is_of_a_public_result():
    for kind in pictured.DRAWN_BY:
        assert issubclass(getattr(flpjax, kind), ShownAsTable)
