"""Text → tree, by Python's own grammar and a short list of what may stand in it; nothing is ever evaluated."""

from __future__ import annotations

import ast
import math
import re
import warnings
from collections.abc import Iterable

from flpjax.errors import InputError, did_you_mean, printable
from flpjax.ladder.features import Feature
from flpjax.laws.formula.tree import (
    FIELD_SYMBOLS,
    FUNCTIONS,
    UNBRACED,
    Call,
    Input,
    Node,
    Number,
    Power,
    Product,
    Sum,
    Symbol,
    walk,
)

LONGEST = 2000  # characters: published laws have fewer than 200
MOST_NODES = 400
DEEPEST = 60
SPELLINGS = str.maketrans({"−": "-", "–": "-", "·": "*", "×": "*", "⋅": "*", "∙": "*", "÷": "/", "^": "^"})
QUOTED = re.compile(r"\{([^{}]*)\}")
ADJACENT = re.compile(r"\w\{[^{}]*\}|\{[^{}]*\}\s*[\w{]")
"""A feature in braces with a name, a number or another right beside it."""
PLACEHOLDER = "__feature_{}__"
KEPT = re.compile(r"__feature_(\d{1,4})__")


def parse(text: str, features: Iterable[Feature] = (), sources: Iterable[str] = ()) -> Node:
    """A formula as a tree.

    Numbers, ``+ − * / ^``, brackets and the functions of :data:`~flpjax.laws.formula.tree.FUNCTIONS`. N, D and C, the
    features given, the sources, and whatever stands in braces, such as ``{unique_tokens}``, are features; every
    other name is a parameter.

    Args:
        text: The formula, such as ``E + A*N^-alpha + B*D^-beta``; with or without ``L =`` before it.
        features: Beside N, D and C.
        sources: ``(source,)`` the data sources of mixtures: their names are weights.

    Raises:
        InputError: It is no formula, or one that is too long, too deep, or has no feature.
    """
    if not isinstance(text, str):
        raise InputError(f"the formula is {type(text).__name__}", where="law", remedy="Give it as text")
    if len(text) > LONGEST:
        raise InputError(
            f"the formula has {len(text):,} characters", where="law", remedy=f"Give at most {LONGEST:,}: it is a law"
        )
    where = f"the formula '{printable(text)}'"
    known = {feature.name: feature for feature in features}
    order = tuple(sources)
    body = text.translate(SPELLINGS).replace("^", "**").strip()
    head, equals, rest = body.partition("=")
    if equals and re.fullmatch(r"\s*[A-Za-z_]\w*\s*(\([^()]*\))?\s*", head):
        body = rest
    if stuck := ADJACENT.search(body):
        raise InputError(
            f"there is no sign between '{printable(stuck[0])}'", where=where, remedy="Write a * there, or another sign"
        )
    quoted: list[str] = []

    def keep(match: re.Match[str]) -> str:
        quoted.append(match[1].strip())
        return PLACEHOLDER.format(len(quoted) - 1)

    body = QUOTED.sub(keep, body)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", SyntaxWarning)  # of "0in (a, b)", which is no formula either
            expression = ast.parse(body.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        said = getattr(error, "msg", None) or "it nests too deeply"
        raise InputError(f"it is no formula: {said}", where=where, remedy=_remedy()) from None
    reader = _Reader(where, known, order, tuple(quoted))
    tree = reader.node(expression, 0)
    nodes = list(walk(tree))
    if len(nodes) > MOST_NODES:
        raise InputError(f"it has {len(nodes)} parts", where=where, remedy=f"Give at most {MOST_NODES}: it is a law")
    if not any(isinstance(n, Input) for n in nodes):
        raise InputError(
            "it reads no feature",
            where=where,
            remedy="Use N, D or C, or name features: {unique_tokens} in braces is the column 'x/unique_tokens'",
        )
    if not any(isinstance(n, Symbol) for n in nodes):
        raise InputError("it has no parameter", where=where, remedy="There is nothing to fit: name what is not known")
    return tree


def _remedy() -> str:
    return f"Write it with numbers, names, + - * / ^, brackets and {', '.join(FUNCTIONS)}"


class _Reader:
    """What names mean in one formula, and where it is."""

    def __init__(
        self, where: str, features: dict[str, Feature], sources: tuple[str, ...], quoted: tuple[str, ...]
    ) -> None:
        self.where, self.features, self.sources, self.quoted = where, features, sources, quoted

    def refuse(self, message: str, remedy: str) -> InputError:
        return InputError(message, where=self.where, remedy=remedy)

    def node(self, given: ast.expr, depth: int) -> Node:
        if depth > DEEPEST:
            raise self.refuse("it nests too deeply", f"Nest at most {DEEPEST} deep")
        match given:
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
                return self.number(number)
            case ast.Name(id=name):
                return self.name(name)
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.node(operand, depth + 1)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return negative(self.node(operand, depth + 1))
            case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as op, right=right):
                sign = 1 if isinstance(op, ast.Add) else -1
                return summed(self.node(left, depth + 1), sign, self.node(right, depth + 1))
            case ast.BinOp(left=left, op=ast.Mult() | ast.Div() as op, right=right):
                side = 1 if isinstance(op, ast.Mult) else -1
                if isinstance(right, ast.Constant) and right.value == 0 and side < 0:
                    raise self.refuse("it divides by 0", "Leave that term out")
                return multiplied(self.node(left, depth + 1), side, self.node(right, depth + 1))
            case ast.BinOp(left=left, op=ast.Pow(), right=right):
                return Power(self.node(left, depth + 1), self.node(right, depth + 1))
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
                return self.call(name, args, depth)
        raise self.refuse(f"'{_fragment(given)}' can't stand in a formula", _remedy())

    def number(self, number: float) -> Node:
        try:
            value = float(number)
        except OverflowError:
            value = math.inf
        if not math.isfinite(value):
            raise self.refuse("a number in it is too large", "Give numbers up to 1e308")
        return Number(value)

    def name(self, name: str) -> Node:
        if (kept := KEPT.fullmatch(name)) and int(kept[1]) < len(self.quoted):
            quoted = self.quoted[int(kept[1])]
            return self.feature(quoted.removeprefix("x/"), quoted)
        if name.startswith("_") or name.endswith("_centre"):
            raise self.refuse(f"'{name}' is no name for a parameter", "Begin with a letter; '_centre' is ours")
        if name in FUNCTIONS:
            raise self.refuse(
                f"'{name}' is a function, without an argument", f"Write {name}(…), or choose another name"
            )
        if name in self.features or name in self.sources or name in UNBRACED:
            return self.feature(name, name)
        return Symbol(name)

    def feature(self, name: str, symbol: str) -> Node:
        source = name.removeprefix("mix/")
        if source in self.sources:
            return Input("mix", symbol, "linear", self.sources.index(source))
        if not name or name.startswith("mix/"):
            raise self.refuse(
                f"there is no source '{source}'", did_you_mean(source, self.sources) if self.sources else "Name it"
            )
        known = self.features.get(name)
        name = FIELD_SYMBOLS.get(name, name) if known is None else name
        return Input(name, symbol, "log" if known is None else known.transform)

    def call(self, name: str, args: list[ast.expr], depth: int) -> Node:
        if name not in FUNCTIONS:
            raise self.refuse(f"there is no function '{name}'", did_you_mean(name, FUNCTIONS))
        needed = FUNCTIONS[name][0]
        if len(args) != needed:
            raise self.refuse(f"{name} has {len(args)} arguments", f"Give {needed}")
        return Call(name, tuple(self.node(a, depth + 1) for a in args))


def _fragment(given: ast.expr) -> str:
    try:
        return printable(ast.unparse(given))[:60]
    except (RecursionError, ValueError):
        return type(given).__name__


def negative(node: Node) -> Node:
    """``−node``."""
    if isinstance(node, Number):
        return Number(-node.value)
    if isinstance(node, Sum):
        return Sum(tuple((-sign, term) for sign, term in node.terms))
    return Sum(((-1, node),))


def summed(left: Node, sign: int, right: Node) -> Node:
    """``left ± right``, sums inside sums opened."""
    first = left.terms if isinstance(left, Sum) else ((1, left),)
    second = right.terms if isinstance(right, Sum) else ((1, right),)
    return Sum((*first, *((sign * s, term) for s, term in second)))


def multiplied(left: Node, side: int, right: Node) -> Node:
    """``left·right`` or ``left/right``, products inside products opened."""
    if isinstance(left, Sum) and len(left.terms) == 1:  # −a·b is −(a·b)
        ((sign, inner),) = left.terms
        return Sum(((sign, multiplied(inner, side, right)),))
    if isinstance(left, Number) and left.value < 0:
        return Sum(((-1, multiplied(Number(-left.value), side, right)),))
    first = left.factors if isinstance(left, Product) else ((1, left),)
    second = right.factors if isinstance(right, Product) else ((1, right),)
    return Product((*first, *((side * s, factor) for s, factor in second)))
