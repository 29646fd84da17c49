"""``flpjax.law``: a law from a line of text, from a function, or from a network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, overload

from flpjax.errors import InputError, did_you_mean
from flpjax.ladder.features import STANDARD, Feature
from flpjax.laws.formula.formula import FormulaLaw
from flpjax.laws.formula.function import Function, FunctionLaw
from flpjax.laws.formula.tree import FIELD_SYMBOLS
from flpjax.laws.law import Parameter, Space
from flpjax.laws.module import ModuleLaw, is_module, module_law

if TYPE_CHECKING:
    from flax import nnx

Named = Iterable[str | Feature]


@overload
def law(
    formula: str,
    /,
    *,
    features: Named = (),
    sources: Iterable[str] = (),
    space: Space = "log",
    positive: Iterable[str] = (),
    real: Iterable[str] = (),
    huber: float | None = None,
) -> FormulaLaw: ...
@overload
def law(formula: nnx.Module, /, *, features: Named = (), space: Space = "log") -> ModuleLaw: ...
@overload
def law(
    formula: Function, /, *, features: Named, parameters: Mapping[str, Parameter], space: Space = "log"
) -> FunctionLaw: ...
@overload
def law(
    *, features: Named, parameters: Mapping[str, Parameter], space: Space = "log"
) -> Callable[[Function], FunctionLaw]: ...
def law(
    formula: str | Function | nnx.Module | None = None,
    /,
    *,
    features: Named = (),
    sources: Iterable[str] = (),
    space: Space = "log",
    positive: Iterable[str] = (),
    real: Iterable[str] = (),
    huber: float | None = None,
    parameters: Mapping[str, Parameter] | None = None,
) -> FormulaLaw | FunctionLaw | ModuleLaw | Callable[[Function], FunctionLaw]:
    """A law of losses in a line, which then does all that the built-in laws do.

    ``law("E + A*N^-alpha + B*D^-beta")`` is Chinchilla's. N, D and C are parameters, tokens and FLOPs; ``{lr}`` in
    braces, and names given as features, are columns ``x/lr`` of a table; all else are parameters. A name that is a
    feature or a source of the table that the law is fitted to is one, too. Parameters get supports and weak priors by
    what they do: a level multiplies a term and is positive, as its sign is written before it; an exponent is positive
    where its power falls. :func:`flpjax.priors_of` shows them.

    A function takes parameters and features by name, as a table has them, and returns one number in JAX::

        @flpjax.law(features=("N", "D"), parameters={"E": flpjax.positive(1.7), "A": flpjax.positive(400), …})
        def mine(params, inputs):
            return params["E"] + params["A"] * inputs["N"] ** -0.34 + 410 * inputs["D"] ** -0.28

    A Flax module (nnx) takes an array of its features, standardised, and returns one number, the standardised loss or
    its logarithm; without features it is a map from losses to scores, for ``loss_score`` of :class:`flpjax.FLP` (of one
    loss) and :class:`flpjax.FLPM` (of all). It is trained from many starts, and those that tie are kept as draws::

        network = flpjax.law(Net(rngs=nnx.Rngs(0)), features=("N", "D"))

    Args:
        formula: The formula, the function, or the module; None makes a decorator.
        features: Beside N, D and C; of a function or a module, all that it reads, ``mix`` for the weights of sources.
        sources: ``(source,)`` data sources of mixtures, whose names are weights.
        space: ``"log"`` for positive losses with relative errors, ``"linear"`` where values may be negative.
        positive: Parameters of a formula that may not be negative.
        real: Parameters of a formula that may.
        huber: Corner of the Huber loss on a formula's residuals, 0.001 as most papers have it; None for squares.
        parameters: Of a function: name → support and prior, from :func:`flpjax.positive`, :func:`flpjax.real` and
            :func:`flpjax.share`.

    Raises:
        InputError: It is no formula, or no parameters and features come with a function, or a module holds more than
            parameters.
    """
    if space not in ("log", "linear"):
        raise InputError(f"the space is '{space}'", where="law", remedy=did_you_mean(str(space), ("log", "linear")))
    if isinstance(features, str):
        features = (features,)
    if isinstance(formula, str):
        if parameters is not None:
            raise InputError(
                "parameters are given with a formula", where="law", remedy="Leave them out: the formula has them"
            )
        known = tuple(f if isinstance(f, Feature) else Feature(f) for f in features if f not in FIELD_SYMBOLS)
        if huber is not None and not huber > 0:
            raise InputError(f"the corner is {huber:g}", where="law", remedy="Give a positive one, or leave it out")
        return FormulaLaw(formula, known, tuple(sources), space, tuple(real), tuple(positive), huber)
    known = tuple(f if isinstance(f, Feature) else _feature(f) for f in features)
    if is_module(formula):
        if parameters is not None or tuple(positive) or tuple(real):
            raise InputError("parameters are given with a module", where="law", remedy="Leave them out: it has its own")
        return module_law(formula, known, space)
    if formula is not None and not callable(formula):
        raise InputError(
            f"the law is {type(formula).__name__}", where="law", remedy="Give text, a function or a Flax module (nnx)"
        )
    if not parameters or not known:
        raise InputError(
            "a function comes without parameters or without features",
            where="law",
            remedy='Say law(features=("N", "D"), parameters={"E": flpjax.positive(1.7), …})',
        )

    def made(function: Function) -> FunctionLaw:
        return FunctionLaw(function, tuple(parameters.items()), known, space)

    return made if formula is None else made(formula)


def _feature(name: str) -> Feature:
    name = FIELD_SYMBOLS.get(name, name)
    return STANDARD.get(name) or Feature(name)
