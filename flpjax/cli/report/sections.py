"""The sections of a report: each says in a few words what it shows, and then shows results as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flpjax.cli import show
from flpjax.cli.layout import Paragraph
from flpjax.cli.report.document import Block, Facts, Findings, Section
from flpjax.cli.report.svg import embedded
from flpjax.cli.show_check import show_check
from flpjax.cli.units import unit_converters, words_of_units
from flpjax.errors import count

if TYPE_CHECKING:
    from flpjax.cli.report.material import Material

MOST_TARGETS = 12  # that have a table each


def asked(material: Material) -> Section:
    """What was asked, of which ladder."""
    question, forecast = material.question, material.forecast
    how = question.how
    rows = [
        ("Ladder", material.table.source),
        (
            "To be forecast",
            "; ".join(t.name for t in forecast.targets[:MOST_TARGETS]) + _and_more(len(forecast.targets)),
        ),
        ("Method", forecast.method),
        ("Draws", f"{forecast.draws:,}, with seed {how.seed}"),
        ("Intervals", f"{100 * forecast.level:g} %" if forecast.intervals else "none, of a point fit"),
    ]
    rows += [("Scores go through", how.via)] if how.via else []
    rows += [(f"Law {name}", str(law)) for name, law in how.laws.items()]
    rows += [("Left out on request", question.left_out)] if question.left_out else []
    rows += [("Budgets", ", ".join(f"{b:.3g} FLOPs" for b in question.budgets))] if question.budgets else []
    rows += [("Mixture", f"the best for {question.main.name}")] if question.mix else []
    return Section("asked", "What was asked", (Facts(tuple(rows)),))


def _and_more(number: int) -> str:
    return f"; and {number - MOST_TARGETS} more" if number > MOST_TARGETS else ""


def data(material: Material) -> Section:
    """What is in the table, what was dropped of it, and what is doubtful."""
    look = material.look
    blocks: list[Block] = [Paragraph(look.summary), *show_check(look)]
    blocks += [Paragraph(text, head="Note:") for text in look.notes]
    blocks += [Paragraph(text, head="Warning:") for text in look.warnings]
    return Section("data", "The data, and what was dropped", tuple(blocks))


def forecast(material: Material) -> Section:
    """Every target's losses and scores."""
    result, table = material.forecast, material.table
    converters = unit_converters(table.shown, table.tasks)
    sheets = show.show_forecast(result, material.question.truth, material.fitted.model.domains, converters)
    blocks: list[Block] = [Paragraph(words_of_units(table.shown, table.tasks, table.domains)), *sheets[:MOST_TARGETS]]
    if len(sheets) > MOST_TARGETS:
        blocks.append(Paragraph(f"{count(len(sheets) - MOST_TARGETS, 'more target')}: --json FILE has them all."))
    if result.monte_carlo:
        blocks.append(Paragraph(f"{result.monte_carlo}."))
    blocks += [Paragraph(text, head="Warning:") for text in result.warnings if text not in material.look.warnings]
    return Section("forecast", "Forecast", tuple(blocks))


def review(material: Material) -> Section:
    """All checks, with remedies."""
    said = (
        "Every check has a figure, and a remedy where it does not pass. REVIEW: look at it before you rely on the "
        "forecast. FAIL: do not rely on it."
    )
    return Section("review", "Review", (Paragraph(said), Findings(material.review)))


def backtest(material: Material, pictures: bool) -> Section:
    """Forecasts of runs that no fit saw, beside what they reached."""
    heading, found = "Backtest", material.backtest
    if found is None:
        return Section("backtest", heading, (Paragraph(material.no_backtest),))
    how = (
        "by the very fit that the forecast is of"
        if material.same_fit
        else "by the same method, fitted without them; the forecast above is fitted on all runs"
    )
    runs = f"{count(len(found.held_out), 'run')} ({', '.join(found.held_out[:MOST_TARGETS])}"
    from flpjax.cli.plots_backtest import plot_backtest

    drawn = [embedded(plot_backtest(found), "backtest")] if pictures else []
    said = f"What {runs}{_and_more(len(found.held_out))}) reached, held against forecasts of them {how}."
    return Section("backtest", heading, (Paragraph(said), *drawn, *show.show_backtest(found)))


def allocation(material: Material, pictures: bool) -> Section | None:
    """N and D for the budgets that were asked for."""
    found = material.allocation
    if found is None:
        return None
    from flpjax.cli.plots_plan import plot_plan
    from flpjax.cli.show_plan import show_plan, words

    shown = [Paragraph(line) for line in words(found)]
    warnings = [Paragraph(text, head="Warning:") for text in found.warnings]
    picture = [embedded(plot_plan(found), "plan")] if pictures else []
    return Section("allocation", "What to train for a budget", (*picture, *show_plan(found), *shown, *warnings))


def mixture(material: Material, pictures: bool) -> Section | None:
    """The best mixture, if it was asked for."""
    found = material.mix
    if found is None or material.mix_review is None:
        return None
    from flpjax.cli.plots_mix import plot_mix
    from flpjax.cli.show_mix import show_mix, words

    blocks: list[Block] = [Paragraph(line) for line in words(found)[:1]]
    if pictures and material.curve is not None:
        blocks.append(embedded(plot_mix(material.curve, found), "mix"))
    blocks += [*show_mix(found), *(Paragraph(line) for line in words(found)[1:])]
    blocks += [Paragraph(text, head="Warning:") for text in found.warnings]
    return Section("mixture", "The best mixture", (*blocks, Findings(material.mix_review)))
