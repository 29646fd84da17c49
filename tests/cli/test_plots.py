"""Pictures show what the tables say, within limits that are possible, by names that can be read."""

import subprocess
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest

from flpjax.cli.picture import drawn as drawn_as
from flpjax.cli.picture import lacks_letters, log_ticks, percent_limits, picture, plain_ticks, power_of_ten, words
from flpjax.cli.plots import plot_forecast
from flpjax.cli.report.svg import embedded
from flpjax.cli.session import save_figure
from flpjax.errors import InputError
from flpjax.ladder.select import in_warmup
from flpjax.readers.units import LOSS
from flpjax.results.forecast import forecast
from flpjax.results.path import forecast_path, score_map
from flpjax.results.target import targets_of


@pytest.fixture(scope="module")
def drawn(noisy, sound):
    result = forecast(sound, targets_of(noisy.runs.targets()), level=0.8)
    path = forecast_path(sound, noisy.runs, result.targets[-1], level=0.8, points=7)
    scores = score_map(sound, noisy.runs, path)
    return result, noisy.runs, path, scores, plot_forecast(result, noisy.runs, "general", path=path, scores=scores)


def test_every_task_has_a_panel_with_its_own_numbers(drawn):
    result, runs, _, _, figure = drawn
    assert [ax.get_title() for ax in figure.axes] == ["loss general", *runs.task_names]
    for i, ax in enumerate(figure.axes):
        medians = [float(bar.lines[0].get_ydata()[0]) for bar in ax.containers]
        if i == 0:
            expected = [losses["general"].median for losses in result.loss]
        else:
            expected = [100 * scores[runs.task_names[i - 1]].median for scores in result.score]
        np.testing.assert_allclose(medians, expected)


def test_losses_are_drawn_in_the_units_of_the_table(drawn):
    """The same picture as in nats, by another ruler: of the ladder, the law, the forecast and the scores' axes."""
    result, runs, path, scores, nats = drawn
    bits = plot_forecast(result, replace(runs, shown={"general": LOSS["bits"]}), "general", path=path, scores=scores)
    assert bits.axes[0].get_ylabel() == "loss general (bits)"
    assert bits.axes[1].get_xlabel() == "loss general (bits)"
    for i, (mine, theirs) in enumerate(zip(bits.axes, nats.axes, strict=True)):
        axis = 1 - min(i, 1)  # losses stand upright in the first panel, and below the others
        for one, other in zip(mine.collections, theirs.collections, strict=True):
            at = [np.ma.filled(points.get_offsets()[:, axis].astype(float), np.nan) for points in (one, other)]
            np.testing.assert_allclose(at[0] * np.log(2), at[1])
        for one, other in zip(mine.containers, theirs.containers, strict=True):
            at = [bar.lines[0].get_xydata()[0, axis] for bar in (one, other)]
            np.testing.assert_allclose(at[0] / at[1], 1 / np.log(2))


def test_what_the_fit_leaves_is_drawn_by_run(drawn, sound):
    """Per cent of what is fitted, in whatever unit the table has its losses; the fit's interval lies about 0."""
    result, runs, path, scores, _ = drawn
    finals = runs.training().finals()
    seen = forecast(sound, targets_of(finals), level=0.8)
    whole = replace(runs, shown={"general": LOSS["bits"]})
    ax = plot_forecast(result, whole, "general", path=path, scores=scores, seen=seen).axes[-1]
    fitted = np.array([losses["general"].median for losses in seen.loss])
    order = np.argsort(finals.flops)
    dots = ax.collections[-1].get_offsets()
    np.testing.assert_allclose(dots[:, 0], finals.flops[order])
    np.testing.assert_allclose(dots[:, 1], 100 * (finals.loss_of("general") / fitted - 1)[order], rtol=1e-9)
    band = ax.collections[0].get_paths()[0].vertices[:, 1]
    highest = max(losses["general"].upper / losses["general"].median - 1 for losses in seen.loss)
    assert band.max() == pytest.approx(100 * highest)
    assert ax.get_title() == "residuals of loss general"


def test_the_law_is_drawn_as_the_tables_say(drawn):
    _, runs, path, scores, figure = drawn
    j = path.domains.index("general")
    rows = [r for r in path.to_dicts() if r["name"] == "general"]
    line = next(line for line in figure.axes[0].lines if len(line.get_xdata()) == len(rows))
    np.testing.assert_allclose(line.get_xydata(), [(r["flops"], r["median"]) for r in rows])
    band = figure.axes[0].collections[1].get_paths()[0].vertices[:, 1]
    assert band.min() == pytest.approx(path.loss.lower[:, j].min())
    for i, task in enumerate(runs.task_names):
        rows = [r for r in scores.to_dicts() if r["name"] == task]
        ax = figure.axes[1 + i]
        line = next(line for line in ax.lines if len(line.get_xdata()) == len(rows))
        np.testing.assert_allclose(line.get_xydata(), [(r["loss"], 100 * r["median"]) for r in rows])


def test_the_ladder_and_the_truth_are_there(drawn):
    _, runs, _, _, figure = drawn
    sizes = [len(c.get_offsets()) for c in figure.axes[0].collections if len(c.get_offsets()) > 1]
    assert sorted(sizes) == sorted([len(runs.training().names), len(runs.targets().names)])


def test_targets_and_chance_are_named(drawn):
    result, runs, _, _, figure = drawn
    (legend,) = figure.legends
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["ladder", "law", *(f"forecast: {t.name}" for t in result.targets), "measured, held out"]
    for task, ax in zip(runs.tasks, figure.axes[1:], strict=True):
        assert f"chance {100 * task.chance:.3g} %" in [text.get_text() for text in ax.texts]
    assert (
        figure.get_suptitle()
        .replace("\n", " ")
        .startswith("The final loss of each run against its compute, with the fitted law, and each task")
    )


def test_axes_keep_within_what_is_possible_and_ticks_are_round(drawn):
    *_, figure = drawn
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert len(labels) >= 2
    assert all(len(label.replace(".", "").strip("0")) <= 2 for label in labels), labels
    assert all("10^" in text.get_text() for text in figure.axes[0].get_xticklabels())
    for ax in figure.axes[1:]:
        low, high = ax.get_ylim()
        assert 0.0 <= low < high <= 100.0
        assert ax.xaxis_inverted()


def test_warm_ups_do_not_stretch_the_axis_of_losses(drawn):
    """A first checkpoint near the loss of guessing left the fitted range in a corner."""
    result, runs, path, scores, _ = drawn
    first = np.flatnonzero(in_warmup(runs.training()) & ~runs.training().final)[:1]
    started = replace(runs, loss=np.where(np.arange(len(runs))[:, None] == first, 11.0, runs.loss))
    again = plot_forecast(result, started, "general", path=path, scores=scores)
    for ax in again.axes[1:]:
        shown = runs.training().loss_of("general")[~in_warmup(runs.training())]
        assert ax.get_xlim()[1] < shown.min() < shown.max() < ax.get_xlim()[0] < 11.0


def test_without_a_path_there_is_no_law(drawn):
    result, runs, path, _, _ = drawn
    assert plot_forecast(result, runs, "general").axes[0].lines[0].get_xdata().shape == (1,)
    along = plot_forecast(result, runs, "general", ["bbh"], path=path).axes[1]
    line = next(line for line in along.lines if len(line.get_xdata()) == len(path.flops))
    j = path.domains.index("general")
    np.testing.assert_allclose(line.get_xdata(), path.loss.median[:, j])


def test_a_figure_is_written_whole(drawn, tmp_path):
    *_, figure = drawn
    save_figure(tmp_path / "picture.png", figure)
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    assert [p.name for p in tmp_path.iterdir()] == ["picture.png"]
    with pytest.raises(InputError, match=r"there is no picture format '.doc'. There is: .*png"):
        save_figure(tmp_path / "picture.doc", figure)
    small, _ = picture(1)
    assert small._repr_png_().startswith(b"\x89PNG"), "a notebook shows it without pyplot"


def test_names_of_any_script_are_drawn_as_they_are(drawn):
    result, runs, *_ = drawn
    named = replace(
        result, targets=tuple(replace(t, name=f"$x_{i}$ 模型 [b]\x1b") for i, t in enumerate(result.targets))
    )
    figure = plot_forecast(named, runs, "general")
    assert figure.legends[0].get_texts()[1].get_text() == r"forecast: \$x_0\$ 模型 [b]\x1b"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert drawn_as(figure, "svg")
        assert lacks_letters(figure)
        assert "模型" in embedded(figure, "p").legend, "a reader's browser may have the letters"


def test_a_forecast_with_nothing_to_draw_is_refused(drawn):
    result, runs, *_ = drawn
    with pytest.raises(InputError, match="no loss domain 'nothing'"):
        plot_forecast(result, runs, "nothing")


def test_a_bad_backend_does_not_matter_and_pyplot_is_not_imported():
    program = (
        "import os, sys; os.environ['MPLBACKEND'] = 'no such backend'\n"
        "from flpjax.cli.picture import picture, drawn\n"
        "assert drawn(picture(2)[0], 'png').startswith(b'\\x89PNG'); assert 'matplotlib.pyplot' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("ticks", "expected"),
    [
        (log_ticks(2.1, 3.9), [2.5, 3.0, 3.5]),
        (log_ticks(0.8, 9.0), [1.0, 2.0, 5.0]),
        (log_ticks(3e15, 6e21), [1e16, 1e17, 1e18, 1e19, 1e20, 1e21]),
        (log_ticks(1e3, 2e23), [1e3, 1e7, 1e11, 1e15, 1e19, 1e23]),
        (log_ticks(2.0, 2.0), [2.0]),
        (plain_ticks(0.0, 100.0), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]),
        (plain_ticks(24.2, 25.1), [24.2, 24.4, 24.6, 24.8, 25.0]),
        (percent_limits([[-5.0, 190.0]]), (0.0, 100.0)),
        (percent_limits([[40.0, 50.0, np.nan]], 25.0), (23.5, 51.5)),
        (percent_limits([]), (0.0, 100.0)),
        (power_of_ten(2e21), r"$2\times10^{21}$"),
        (power_of_ten(1e16), "$10^{16}$"),
        (words("a$b"), r"a\$b"),
    ],
)
def test_scales(ticks, expected):
    assert ticks == (pytest.approx(expected) if isinstance(expected, list | tuple) else expected)
