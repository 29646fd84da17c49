"""Pictures of mixtures show what the tables say."""

from dataclasses import replace

import numpy as np
import pytest

from flpjax.cli.plots_mix import CORNERS, TICKS, plot_mix
from flpjax.results.goal import Goal
from flpjax.results.mix import Mix
from flpjax.results.mix_curve import mix_curve
from flpjax.results.mix_grid import Measured
from tests.results.test_goal import TARGET, by_hand

BEST = {2: np.array([0.3, 0.7]), 3: np.array([0.2, 0.3, 0.5])}


@pytest.fixture(scope="module", params=[2, 3])
def drawn(request):
    sources = request.param
    curve = mix_curve(by_hand(sources), TARGET, step=0.1, level=0.8, goal=Goal())
    runs = tuple(
        Measured(f"r{i}", np.array(weights), 8.85e6, 1e16, i == 1, np.array([0.41 + i / 100, 0.52]))
        for i, weights in enumerate(curve.tried)
    )
    curve = replace(curve, measured=runs)
    mix = object.__new__(Mix)
    object.__setattr__(mix, "weights", BEST[sources])
    return curve, plot_mix(curve, mix)


def panels(figure):
    return [ax for ax in figure.axes if ax.get_title()]


def place(weights):
    return np.atleast_2d(weights) @ CORNERS


def test_the_objective_and_every_task_have_a_panel(drawn):
    curve, figure = drawn
    assert [ax.get_title() for ax in panels(figure)] == ["objective", *curve.outputs]


def test_panels_hold_the_numbers(drawn):
    curve, figure = drawn
    for j, ax in enumerate(panels(figure)[1:]):
        if len(curve.sources) == 2:
            shares = 100 * curve.weights[:, 1]
            np.testing.assert_allclose(ax.lines[0].get_xydata().T, [shares, 100 * curve.median[:, j]])
            band = ax.collections[0].get_paths()[0].vertices
            assert band[:, 1].min() == pytest.approx(100 * curve.lower[:, j].min())
            assert band[:, 1].max() == pytest.approx(100 * curve.upper[:, j].max())
            offsets = [np.asarray(c.get_offsets()) for c in ax.collections[1:]]
            np.testing.assert_allclose(np.sort(offsets[0][:, 0]), np.sort(100 * curve.tried[:, 1]))
            seen = np.vstack(offsets[1:])
            reached = [(100 * m.weights[1], 100 * m.values[j]) for m in curve.measured]
            np.testing.assert_allclose(np.sort(seen, axis=0), np.sort(reached, axis=0))
            assert [list(line.get_xdata()) for line in ax.lines[1:]] == [[70.0, 70.0]]
            assert (ax.get_xlabel(), ax.get_ylabel()) == ("share of code (%)", "score (%)")
        else:
            marks = [np.asarray(c.get_offsets()) for c in ax.collections if len(c.get_offsets())]
            assert any(m.shape == (len(curve.tried), 2) and np.allclose(m, place(curve.tried)) for m in marks)
            assert any(m.shape == (1, 2) and np.allclose(m, place(BEST[3])) for m in marks)
            low, high = ax.collections[0].get_clim()
            assert low <= 100 * curve.median[:, j].min() < 100 * curve.median[:, j].max() <= high
            written = [text.get_text() for text in ax.texts]
            assert all(f"{100 * m.values[j]:.1f}" in written for m in curve.measured)


def test_the_objective_is_what_its_table_says(drawn):
    curve, figure = drawn
    rows = curve.objective.to_dicts(curve.sources, curve.weights)
    expected = 100 * np.array([row["value"] for row in rows])
    ax = panels(figure)[0]
    if len(curve.sources) == 2:
        np.testing.assert_allclose(ax.lines[1].get_ydata(), expected)
        assert ax.get_ylabel() == "weighted mean of score (%)"
    else:
        low, high = ax.collections[0].get_clim()
        assert low <= expected.min() < expected.max() <= high


def test_a_triangle_has_ticks_and_the_names_of_its_sources_on_three_sides(drawn):
    curve, figure = drawn
    if len(curve.sources) == 3:
        for ax in panels(figure):
            texts = [text.get_text() for text in ax.texts]
            for name in curve.sources:
                assert {name, f"{name} (%)"} <= set(texts)
            for tick in TICKS:
                assert texts.count(f"{tick}") == 3


def test_scores_keep_within_0_and_100(drawn):
    curve, figure = drawn
    if len(curve.sources) == 2:
        steep = replace(curve, median=2.0 * curve.median, upper=3.0 * curve.upper, lower=curve.lower - 1.0)
        for ax in panels(plot_mix(steep))[1:]:
            assert ax.get_ylim() == (0.0, 100.0)
        for ax in panels(figure)[1:]:
            assert 0.0 <= ax.get_ylim()[0] < ax.get_ylim()[1] <= 100.0


def test_what_is_marked_is_named_once(drawn):
    curve, figure = drawn
    (legend,) = figure.legends
    names = [text.get_text() for text in legend.get_texts()]
    if len(curve.sources) == 2:
        assert names == [
            "80 % interval", "forecast", "what is maximised", "tried", "best", "measured at N=8.85M",
            "measured at N=8.85M, held out",
        ]  # fmt: skip
    else:
        assert names == ["tried", "best", "numbers: measured at N=8.85M"]
    assert figure.get_suptitle().replace("\n", " ").endswith("is the best mixture.")


def test_without_a_mixture_nothing_is_marked_best():
    figure = plot_mix(mix_curve(by_hand(2), TARGET, step=0.5))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["90 % interval", "forecast", "tried"]
