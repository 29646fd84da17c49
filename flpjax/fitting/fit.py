"""Methods by name, ``auto`` among them, and the fit that each asks for: a blend, a bootstrap, a posterior, a point."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, overload

from jax import Array

from flpjax.errors import InputError, shown
from flpjax.fitting.discovery.method import DISCOVERED, Discovered, discovered_method
from flpjax.fitting.draws import NO_POINT, Draws, check_draw_count
from flpjax.fitting.point import bind, point, training_of
from flpjax.fitting.sampled import POSTERIOR, Sampled
from flpjax.ladder.table import Runs
from flpjax.methods.inputs import Inputs
from flpjax.methods.method import Method
from flpjax.methods.registry import AUTO, DEFAULT_MIX, Auto, Laws, check_law_names
from flpjax.methods.registry import method as method_of_one_model
from flpjax.methods.signs import positive_losses
from flpjax.readers.read import Table, read_runs

LEAST_SAMPLED = 8  # draws of a posterior
AnyMethod = Method | Auto | Discovered
"""What :func:`method` finds and :func:`fit` takes: a method of one model, or a blend of several."""


def usual_draws(chosen: AnyMethod) -> int:
    """How many draws a method has unless told otherwise."""
    from flpjax.fitting.averaging.auto import BLENDED
    from flpjax.fitting.bootstrap import RESAMPLED

    return BLENDED if isinstance(chosen, Auto | Discovered | Sampled) else RESAMPLED


@overload
def method(name: Literal["auto"], via: str | None = None, laws: Laws | None = None) -> Auto: ...  # type: ignore[overload-overlap]
@overload
def method(name: Literal["discovered"], via: str | None = None, laws: Laws | None = None) -> Discovered: ...  # type: ignore[overload-overlap]
@overload
def method(name: str, via: str | None = None, laws: Laws | None = None) -> Method: ...
def method(name: str, via: str | None = None, laws: Laws | None = None) -> AnyMethod:
    """The method of this name, in Python as on the command line.

    Args:
        name: ``auto``; ``discovered`` or ``LAW+discovered``, for mixtures; a method of the literature, such as ``flp``,
            ``fp`` or ``llama3``; or ``STAGE1+STAGE2``, such as ``chinchilla+sigmoid`` or ``m3+network``. With
            ``+posterior`` behind it, a method of the last two kinds is sampled, where others are resampled.
        via: The loss domain that scores are a function of, ``"own"`` for each task's own; None takes the first.
        laws: Laws of your own, as :func:`flpjax.law` makes them, by name: ``mine+sigmoid`` has one as stage 1, ``mine``
            alone means the same, and ``auto`` averages them with ours.

    Returns:
        What :func:`fit` takes. ``auto`` and ``discovered`` blend several models; every other method can be given to
        :func:`flpjax.point`, :func:`flpjax.bootstrap`, :func:`flpjax.posterior` and :func:`flpjax.bind`, too.

    Raises:
        InputError: There is no such method.
    """
    if not isinstance(name, str):
        raise InputError(f"{shown(name)} is no name of a method", remedy="Give one, say 'auto'")
    check_law_names(laws or {})
    if name == AUTO:
        return Auto(via=via, laws=tuple((laws or {}).items()))
    if name.endswith(POSTERIOR):
        return Sampled(_with_a_posterior(name.removesuffix(POSTERIOR), via, laws))
    found = discovered_method(name)
    if found is not None and via is not None:
        raise InputError(f"method '{name}' goes through all losses", remedy="Leave the domain out")
    return found or method_of_one_model(name, via, laws)


def _with_a_posterior(name: str, via: str | None, laws: Laws | None) -> Method:
    if name == AUTO or discovered_method(name) is not None:
        raise InputError(f"{name} is a blend, and averages posteriors already", remedy=f"Leave '{POSTERIOR}' out")
    return method_of_one_model(name, via, laws)


def mixing_method(name: str, draws: int, laws: Laws | None = None) -> tuple[str, AnyMethod]:
    """The method that searches mixtures, and its name: laws of mixtures, weighed, unless one is named.

    Args:
        name: As :func:`method` takes it; '' for ``auto``, or for one law if no draws are asked for.
        draws: Number of draws; a blend has no point fit.
        laws: Laws of your own, by name.

    Raises:
        InputError: There is no such method.
    """
    name = name or (AUTO if draws else DEFAULT_MIX)
    own = tuple((laws or {}).items())
    return name, Auto(mixtures=True, laws=own) if name == AUTO else method(name, laws=laws)


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
        if draws is not None:
            check_draw_count(draws, 2, name, why=NO_POINT)
    if isinstance(chosen, Sampled):
        if joint:
            raise InputError("a posterior is of both stages at once", remedy="Leave joint out")
        check_draw_count(LEAST_SAMPLED if draws is None else draws, LEAST_SAMPLED, "posterior")
    check_draw_count(0 if draws is None else draws)


def check_carried(chosen: AnyMethod, runs: Runs) -> Inputs:
    """Refuse a method that a ladder can't carry, before anything is fitted.

    Returns:
        The features that the method reads; of those that choose their laws by the ladder, none.

    Raises:
        InputError: No run is left to fit on, a loss domain is not there, or whatever the method says when it is bound.
        PrecisionError: JAX is in 32 bits.
    """
    if isinstance(chosen, Auto):
        training = positive_losses(training_of(runs))
        members = chosen.members(training)
        for own, _ in chosen.laws:  # ours drop out where a ladder can't carry them; yours was asked for
            for member in [m for name, m in members.items() if name.partition("+")[0] == own][:1]:
                member.bind(training)
    elif isinstance(chosen, Discovered):
        chosen.check(training_of(runs))
    else:
        return bind(chosen, runs).model.inputs
    return {}


def method_from(asked: AnyMethod | str) -> AnyMethod:
    """The method that was asked for, itself or by name.

    Raises:
        InputError: There is no such method.
    """
    return method(asked) if isinstance(asked, str) else asked


def fit(
    method: AnyMethod | str,
    runs: Table,
    key: Array,
    *,
    draws: int | None = None,
    joint: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Draws:
    """Fit a method to the runs that are not held out: ``auto`` blends, others are resampled or sampled.

    What can't be fitted is left out, and a warning of the draws says so.

    Args:
        method: As :func:`flpjax.method` gives it, or its name.
        runs: The ladder; held-out runs are not used.
        key: JAX random key.
        draws: Number of draws; 0 for a point fit, None for the usual number: of a blend they cost next to nothing.
        joint: Fit both stages in one objective.
        progress: Called with what is fitted, before it is.

    Raises:
        InputError: The ladder can't carry the method, or ``auto`` is asked for a point or a joint fit.
        FitError: Nothing could be fitted, or a posterior could not be sampled.
        PrecisionError: JAX is in 32 bits.
    """
    runs = read_runs(runs)
    method = method_from(method)
    check_asked(method, draws, joint)
    if isinstance(method, Auto | Discovered):
        from flpjax.fitting.averaging.auto import auto  # which point fits can do without

        check_carried(method, runs)
        return auto(runs, key, draws=draws, methods=method, progress=progress)
    draws = usual_draws(method) if draws is None else draws
    if isinstance(method, Sampled):
        from flpjax.fitting.posterior.posterior import posterior  # NumPyro, which others can do without

        return posterior(method.method, runs, key, draws=draws, progress=progress)
    if draws:
        from flpjax.fitting.bootstrap import bootstrap

        return bootstrap(method, runs, key, draws=draws, joint=joint, strict=False, progress=progress)
    return point(method, runs, key, joint=joint, strict=False, progress=progress)
