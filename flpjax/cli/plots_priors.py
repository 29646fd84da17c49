"""A picture of parameters before and after the data. Needs the extra ``viz``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flpjax.cli.picture import LADDER_COLOR, MOST_TITLE_LETTERS, TARGET_COLOR, finish, log_ticks, picture, words
from flpjax.fitting.draws import refuse_unfitted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from flpjax.fitting.draws import Draws
    from flpjax.fitting.posterior.priors import Priors

EACH = 0.22  # inches of a panel's height for one output
APART = 0.16  # of the room of an output: the prior stands so far above its middle, the posterior below


def plot_posterior(draws: Draws, priors: Priors, level: float = 0.9) -> Figure:
    """Posterior against prior: a panel a parameter, in it a row for each loss domain or task.

    The table twin is :func:`flpjax.against_priors`.

    Args:
        draws: Of one method, such as of :func:`flpjax.posterior`.
        priors: Of the same method on the same ladder, as :func:`flpjax.priors_of` gives them.
        level: Probability of the intervals.

    Raises:
        InputError: The draws have none of these parameters, or matplotlib is not installed.
    """
    refuse_unfitted(draws)
    from flpjax.fitting.posterior.against import against_priors

    rows = against_priors(draws, priors, level)
    names = list(dict.fromkeys(row["name"] for row in rows))
    about = {row.name: row.about for row in priors.rows}
    most = max(sum(row["name"] == name for row in rows) for name in names)
    figure, axes = picture(len(names), max(1.6, EACH * most + 0.6))
    handles: dict[str, Any] = {}
    for name, ax in zip(names, axes, strict=True):
        shown = [row for row in rows if row["name"] == name]
        for label, prefix, color, marker, by in (
            ("prior", "prior_", LADDER_COLOR, "s", -APART),
            ("posterior", "", TARGET_COLOR, "o", APART),
        ):
            middle = [row[f"{prefix}median"] for row in shown]
            handles[label] = ax.errorbar(
                middle,
                [i + by for i in range(len(shown))],
                xerr=[
                    [m - row[f"{prefix}lower"] for m, row in zip(middle, shown, strict=True)],
                    [row[f"{prefix}upper"] - m for m, row in zip(middle, shown, strict=True)],
                ],
                fmt=marker,
                ms=3.5,
                color=color,
                elinewidth=1.2,
                capsize=1.5,
            )
        if shown[0]["support"] == "positive":
            ends = [row[f"{kind}{end}"] for row in shown for kind in ("", "prior_") for end in ("lower", "upper")]
            ticks = log_ticks(min(ends), max(ends), 5)
            ax.set_xscale("log")
            ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            ax.set_xticks([], minor=True)
        ax.set_yticks(range(len(shown)), [words(row["output"], MOST_TITLE_LETTERS) for row in shown], fontsize=8)
        ax.set_ylim(len(shown) - 0.5, -0.5)
        ax.set_title(words(name, MOST_TITLE_LETTERS), fontsize=9)
        ax.set_xlabel(words(about[name], 2 * MOST_TITLE_LETTERS))
    caption = (
        f"Each parameter before the data (grey: {100 * level:g} % of the prior) and after (blue: of the posterior): "
        "where the two are alike, the data say nothing of it."
    )
    finish(figure, caption, handles)
    return figure
