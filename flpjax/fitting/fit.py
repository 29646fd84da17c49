"""The fit that a method by name asks for: a blend, a bootstrap, or one point."""

from __future__ import annotations

from collections.abc import Callable

from jax import Array

from flpjax.errors import InputError
from flpjax.fitting.blending.auto import BLENDED, auto
from flpjax.fitting.bootstrap import RESAMPLED, bootstrap
from flpjax.fitting.discovery.method import DISCOVERED, Discovered, discovered_method
from flpjax.fitting.draws import Draws, check_draw_count
from flpjax.fitting.point import bind, point, training_of
from flpjax.ladder.table import Runs
from flpjax.methods.method import Method
from flpjax.methods.registry import AUTO, DEFAULT_MIX, Auto, method

AnyMethod = Method | Auto | Discovered


def usual_draws(chosen: AnyMethod) -> int:
    """How many draws a method has unless told otherwise."""
    return BLENDED if isinstance(chosen, Auto | Discovered) else RESAMPLED


def method_of(name: str, via: str | None = None) -> AnyMethod:
    """The method of this name, ``auto`` among them.

    Args:
        name: ``auto``; ``discovered`` or ``LAW+discovered``; or as :func:`flpjax.method` takes it.
        via: The loss domain that scores are a function of.

    Raises:
        InputError: There is no such method.
    """
    if name == AUTO:
        return Auto(via=via)
    found = discovered_method(name)
    if found is not None and via is not None:
        raise InputError(f"method '{name}' goes through all losses", remedy="Leave the domain out")
    return found or method(name, via)


def mixing_method(name: str, draws: int) -> tuple[str, AnyMethod]:
    """The method that searches mixtures, and its name: laws of mixtures, weighed, unless one is named.

    Args:
        name: As :func:`method_of` takes it; '' for ``auto``, or for one law if no draws are asked for.
        draws: Number of draws; a blend has no point fit.

    Raises:
        InputError: There is no such method.
    """
    name = name or (AUTO if draws else DEFAULT_MIX)
    return name, Auto(mixtures=True) if name == AUTO else method_of(name)


def check_asked(chosen: AnyMethod, draws: int | None, joint: bool = False) -> None:
    """Refuse what a method can't do, before anything is read or fitted.

    Raises:
        InputError: ``auto`` is asked for a point or a joint fit, or there are more draws than memory holds.
    """
    if isinstance(chosen, Auto | Discovered):
        name = AUTO if isinstance(chosen, Auto) else DISCOVERED
        if joint:
            raise InputError(f"{name} fits its methods stage by stage", remedy="Name a method, or leave joint out")
        if draws == 0:
            raise InputError(f"{name} is a blend, which no single draw shows", remedy="Name a method, or ask for draws")
        if draws == 1:
            raise InputError("1 draws", where=name, remedy="Ask for 2 at least; a blend has no point fit")
    check_draw_count(draws or 0)


def check_carried(chosen: AnyMethod, runs: Runs) -> None:
    """Refuse a method that a ladder can't carry, before anything is fitted.

    Raises:
        InputError: No run is left to fit on, a loss domain is not there, or whatever the method says when it is bound.
        PrecisionError: JAX is in 32 bits.
    """
    if isinstance(chosen, Auto):
        chosen.members(training_of(runs))
    elif isinstance(chosen, Discovered):
        chosen.check(training_of(runs))
    else:
        bind(chosen, runs)


def fit(
    chosen: AnyMethod,
    runs: Runs,
    key: Array,
    *,
    draws: int | None = None,
    joint: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Draws:
    """Fit as the method asks for: ``auto`` blends, others are resampled. What can't be fitted is left out, and said.

    Args:
        chosen: The method.
        runs: The ladder; held-out runs are not used.
        key: JAX random key.
        draws: Number of draws; 0 for a point fit, None for the usual number: of a blend they cost next to nothing.
        joint: Fit both stages in one objective.
        progress: Called with what is fitted, before it is.

    Raises:
        InputError: The ladder can't carry the method, or ``auto`` is asked for a point or a joint fit.
        FitError: Nothing could be fitted.
        PrecisionError: JAX is in 32 bits.
    """
    check_asked(chosen, draws, joint)
    draws = usual_draws(chosen) if draws is None else draws
    if isinstance(chosen, Auto | Discovered):
        return auto(runs, key, draws=draws, methods=chosen, progress=progress)
    if draws:
        return bootstrap(chosen, runs, key, draws=draws, joint=joint, strict=False, progress=progress)
    return point(chosen, runs, key, joint=joint, strict=False, progress=progress)
