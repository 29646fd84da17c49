"""Pictures show what the table says."""

import jax
import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")

import matplotlib.pyplot as plt

from flpjax import bootstrap, forecast, method, simulate_ladder, targets_of
from flpjax.errors import InputError
from flpjax.faces.plots import plot_forecast
from flpjax.faces.session import save_figure


@pytest.fixture(scope="module")
def drawn():
    runs = simulate_ladder(1).runs
    draws = bootstrap(method("flp"), runs, jax.random.key(0), draws=11)
    result = forecast(draws, targets_of(runs.targets()), level=0.8)
    figure = plot_forecast(result, runs, "general")
    yield result, runs, figure
    plt.close(figure)


def test_every_task_has_a_panel_with_its_own_numbers(drawn):
    result, runs, figure = drawn
    titles = [ax.get_title() for ax in figure.axes if ax.get_title()]
    assert titles == ["loss general", *runs.task_names]
    for i, ax in enumerate(figure.axes[: 1 + len(runs.tasks)]):
        medians = ax.containers[0].lines[0].get_ydata()
        if i == 0:
            expected = [losses["general"].median for losses in result.loss]
        else:
            expected = [100 * scores[runs.task_names[i - 1]].median for scores in result.score]
        np.testing.assert_allclose(np.asarray(medians, float), expected)


def test_a_figure_is_written_whole(drawn, tmp_path):
    save_figure(tmp_path / "picture.png", drawn[2])
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    assert [p.name for p in tmp_path.iterdir()] == ["picture.png"]
    with pytest.raises(InputError, match=r"there is no picture format '.doc'. There is: .*png"):
        save_figure(tmp_path / "picture.doc", drawn[2])


def test_a_forecast_with_nothing_to_draw_is_refused(drawn):
    result, runs, _ = drawn
    with pytest.raises(InputError, match="no loss domain 'nothing'"):
        plot_forecast(result, runs, "nothing")
