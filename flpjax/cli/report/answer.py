"""The answer in sentences: what the largest target will reach, how sure that is, and what came where it is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flpjax.cli.text import fixed, number
from flpjax.cli.units import unit_converters
from flpjax.errors import count

if TYPE_CHECKING:
    from collections.abc import Callable

    from flpjax.cli.report.material import Material
    from flpjax.results.prediction import Interval
    from flpjax.results.target import Target

FEW = 3  # scores that a sentence names


def answer(material: Material) -> tuple[str, ...]:
    """Sentences, the most important first."""
    forecast, main = material.forecast, material.question.main
    i = [target.name for target in forecast.targets].index(main.name)
    converters, known = (
        unit_converters(material.table.shown, material.table.tasks),
        material.question.truth.get(main.name, {}),
    )
    losses, scores = forecast.loss[i], forecast.score[i]
    through = [material.fitted.model.domains[k] for k in material.fitted.loss_routes] or list(losses)
    lead = next((d for d in through if d in losses), next(iter(losses), None))
    parts = []
    if lead is not None:
        unit = material.table.shown.get(lead)
        named = f"a loss on {lead} of" if unit is None else f"a loss on {lead}, in {unit.name}, of"
        column = f"loss/{lead}"
        parts.append(
            f"{named} {_value(losses[lead], 1.0, 3, converters.get(column), forecast.intervals, known.get(column))}"
        )
    for name, value in list(scores.items())[:FEW]:
        said = _value(value, 100.0, 1, converters.get(f"score/{name}"), forecast.intervals, known.get(name), " %")
        parts.append(f"{name} {said}")
    more = len(scores) - FEW
    first = f"{_named(forecast.targets[i])} is forecast to reach {_joined(parts)}"
    first += f"; {count(more, 'more score')} {'stands' if more == 1 else 'stand'} below." if more > 0 else "."
    how = f"Its compute is {forecast.extrapolation[i]:.3g} × that of the ladder's largest run."
    if forecast.intervals:
        what = f"{100 * forecast.level:g} % intervals" + (", and what it reached" if known else "")
        how += f" In brackets stand {what}."
    return (first, how, *_held(material))


def _named(target: Target) -> str:
    """``7B (N = 7B, D = 4T)``, or the size alone where that is its name."""
    known = (("N", target.params), ("D", target.tokens), ("C", target.flops if target.params is None else None))
    size = ", ".join(
        f"{symbol} = {number(value) if symbol != 'C' else f'{value:.3g}'}" for symbol, value in known if value
    )
    bare = target.name.replace(" ", "").startswith(("N=", "D=", "C=", "params=", "tokens=", "flops="))
    return f"A model of {size}" if bare else f"{target.name} ({size})"


def _value(
    value: Interval,
    unit: float,
    digits: int,
    convert: Callable[[float], float] | None,
    intervals: bool,
    observed: float | None,
    suffix: str = "",
) -> str:
    def text(v: float) -> str:
        return fixed(unit * (convert(v) if convert else v), digits)

    inside = [f"{text(value.lower)} to {text(value.upper)}"] if intervals else []
    inside += [f"reached {text(observed)}"] if observed is not None else []
    return f"{text(value.median)}{suffix}" + (f" ({'; '.join(inside)})" if inside else "")


def _held(material: Material) -> list[str]:
    """How many of the values that were measured on held-out runs lie in their intervals."""
    found = material.backtest
    if found is None:
        return []
    (record,) = found.methods.values()
    cells = [*record.scores, *record.losses]
    if not cells or not record.intervals:
        return []
    held = sum(cell.covered for cell in cells)
    runs = count(len({cell.target for cell in cells}), "held-out run")
    return [
        f"Intervals of {100 * found.level:g} % held {held:,} of {count(len(cells), 'value')} that were measured on "
        f"{runs}, which no fit saw."
    ]


def _joined(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
