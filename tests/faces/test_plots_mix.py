"""Pictures of mixtures show what the table says."""

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")

import matplotlib.pyplot as plt

from flpjax.answers.mix import Mix
from flpjax.answers.mix_curve import mix_curve
from flpjax.faces.plots_mix import CORNERS, plot_mix
from flpjax.faces.session import save_figure
from tests.answers.test_goal import TARGET, by_hand

BEST = {2: np.array([0.3, 0.7]), 3: np.array([0.2, 0.3, 0.5])}


@pytest.fixture(scope="module", params=[2, 3])
def drawn(request):
    sources = request.param
    curve = mix_curve(by_hand(sources), TARGET, step=0.1, level=0.8)
    mix = object.__new__(Mix)
    object.__setattr__(mix, "weights", BEST[sources])
    figure = plot_mix(curve, mix)
    yield curve, figure
    plt.close(figure)


def panels(figure):
    return [ax for ax in figure.axes if ax.get_title()]


def place(weights):
    return np.atleast_2d(weights) @ CORNERS


def test_every_task_has_a_panel(drawn):
    curve, figure = drawn
    assert [ax.get_title() for ax in panels(figure)] == list(curve.outputs)


def test_panels_hold_the_numbers(drawn):
    curve, figure = drawn
    for j, ax in enumerate(panels(figure)):
        if len(curve.sources) == 2:
            lines = {line.get_label(): line for line in ax.lines}
            np.testing.assert_allclose(
                lines["forecast"].get_xydata().T, [curve.weights[:, 1], 100 * curve.median[:, j]]
            )
            np.testing.assert_allclose(lines["best"].get_xdata(), [0.7, 0.7])
            upright = sorted(line.get_xdata()[0] for line in ax.lines if line.get_label() not in ("forecast", "best"))
            np.testing.assert_allclose(upright, sorted(curve.tried[:, 1]))
            band = ax.collections[0].get_paths()[0].vertices
            assert band[:, 1].min() == pytest.approx(100 * curve.lower[:, j].min())
            assert band[:, 1].max() == pytest.approx(100 * curve.upper[:, j].max())
            assert (ax.get_xlabel(), ax.get_ylabel()) == ("share of code", "score (%)")
        else:
            marks = {c.get_label(): np.asarray(c.get_offsets()) for c in ax.collections}
            np.testing.assert_allclose(marks["tried"], place(curve.tried))
            np.testing.assert_allclose(marks["best"], place(BEST[3]))
            assert {text.get_text() for text in ax.texts} == set(curve.sources)
            low, high = ax.collections[0].get_clim()
            assert low <= 100 * curve.median[:, j].min() < 100 * curve.median[:, j].max() <= high


def test_what_is_marked_is_named_once(drawn):
    curve, figure = drawn
    (legend,) = figure.legends
    names = [text.get_text() for text in legend.get_texts()]
    assert names == (["80 % interval", "forecast", "tried", "best"] if len(curve.sources) == 2 else ["tried", "best"])


def test_a_figure_is_written_whole(drawn, tmp_path):
    save_figure(tmp_path / "picture.png", drawn[1])
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")


def test_without_a_mixture_nothing_is_marked_best():
    curve = mix_curve(by_hand(2), TARGET, step=0.5)
    figure = plot_mix(curve)
    assert "best" not in [line.get_label() for ax in figure.axes for line in ax.lines]
    plt.close(figure)
