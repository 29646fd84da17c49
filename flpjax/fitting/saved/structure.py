"""Frozen dataclasses, named tuples and arrays as JSON with arrays beside it, and back, bit by bit.

A value of JSON stands for itself, or is an object whose first key says what it is: ``{"array": n, …}``,
``{"float": "nan"}``, ``{"tuple": […]}``, ``{"dict": [[key, value], …]}``, ``{"class": "module:Name", "fields": {…}}``.
Nothing is called to read one but the constructors of frozen dataclasses and named tuples of this package, and of those
that a caller names. A law that is a function or a network of the caller's is saved by name, and given to read it.
"""

from __future__ import annotations

import dataclasses
import enum
import importlib
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from flpjax.errors import FlpjaxError, InputError, shown
from flpjax.laws.saved import is_own_law
from flpjax.numerics import require_x64

PACKAGE = "flpjax"
CLASS = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*)")
ARRAYS = "fiub"
"""Kinds of NumPy's arrays that are saved: numbers and truth values."""
DEEPEST = 60  # levels of a structure; that of draws has eight
ODD = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}

Given = Mapping[str, Any]
"""``module:Name`` → a class, or a law of the caller's, that is not the package's own."""


def encoded(value: Any) -> tuple[Any, list[NDArray[Any]]]:
    """A structure as JSON has it, and its arrays in the order of their numbers.

    Raises:
        InputError: Something in it can't be saved: a function, or an array of objects.
    """
    arrays: list[NDArray[Any]] = []
    return _encode(value, arrays, "it", 0), arrays


def decoded(content: Any, arrays: Sequence[NDArray[Any]], classes: Given, where: str) -> Any:
    """What :func:`encoded` was given.

    Args:
        content: Of the JSON.
        arrays: Those beside it.
        classes: Classes and laws that are not the package's own.
        where: What to call it in messages.

    Raises:
        InputError: It is no such structure, or needs a class that is not there.
        PrecisionError: It needs float64, and JAX runs in 32 bits.
    """
    if any(a.dtype == np.float64 for a in arrays):
        require_x64("loading draws")
    try:
        return _decode(content, arrays, classes, where, 0)
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError) as error:
        if isinstance(error, FlpjaxError):
            raise
        what = f"this is no structure that flpjax has saved ({type(error).__name__}: {shown(str(error))})"
        raise InputError(what, where=where, remedy="Save it again") from error


def _encode(value: Any, arrays: list[NDArray[Any]], path: str, depth: int) -> Any:
    if depth > DEEPEST:
        raise InputError("the structure is too deep to be saved", where=path)
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, enum.Enum):
        return {"enum": _name(type(value)), "member": value.name}
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"float": repr(float(value))}
    if isinstance(value, jax.Array | np.ndarray | np.generic):
        plain = np.asarray(value)
        if plain.dtype.kind not in ARRAYS:
            raise InputError(f"an array of {plain.dtype} can't be saved", where=path, remedy="Save numbers")
        arrays.append(plain)
        kind = "jax" if isinstance(value, jax.Array) else "numpy" if isinstance(value, np.ndarray) else "scalar"
        return {"array": len(arrays) - 1, "kind": kind}

    def inner(each: Any, key: object) -> Any:
        return _encode(each, arrays, f"{path}.{key}", depth + 1)

    if is_own_law(value):
        return {"own law": value.saved_name, "fields": inner(value.saved_fields(), value.saved_name)}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        fields = {name: inner(getattr(value, name), name) for name in value._fields}
        return {"class": _name(type(value)), "fields": fields}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: inner(getattr(value, f.name), f.name) for f in dataclasses.fields(value) if f.init}
        return {"class": _name(type(value)), "fields": fields}
    if isinstance(value, tuple | list):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {kind: [inner(each, i) for i, each in enumerate(value)]}
    if isinstance(value, frozenset):
        return {"frozenset": [inner(each, i) for i, each in enumerate(sorted(value))]}
    if isinstance(value, Mapping):
        return {"dict": [[inner(key, "key"), inner(each, key)] for key, each in value.items()]}
    raise InputError(
        f"{type(value).__name__} can't be saved: it is no data",
        where=path,
        remedy="Write laws as frozen dataclasses, or as a line of text, whose fields are numbers, texts and other laws",
    )


def _decode(content: Any, arrays: Sequence[NDArray[Any]], classes: Given, where: str, depth: int) -> Any:
    if depth > DEEPEST:
        raise InputError("the structure is too deep", where=where, remedy="Is this a file that flpjax saved?")
    if content is None or isinstance(content, bool | str | int | float):
        return content
    if not isinstance(content, dict):
        raise ValueError(f"a {type(content).__name__} stands where none can")

    def inner(each: Any) -> Any:
        return _decode(each, arrays, classes, where, depth + 1)

    match content:
        case {"float": str(text)}:
            return ODD[text]
        case {"array": int(number), "kind": str(kind)}:
            return _array(arrays[number] if number >= 0 else arrays[len(arrays)], kind)
        case {"tuple": list(each)}:
            return tuple(inner(e) for e in each)
        case {"list": list(each)}:
            return [inner(e) for e in each]
        case {"frozenset": list(each)}:
            return frozenset(inner(e) for e in each)
        case {"dict": list(pairs)}:
            return {inner(key): inner(each) for key, each in pairs}
        case {"enum": str(name), "member": str(member)}:
            found = _class(name, classes, where)
            return found[member] if issubclass(found, enum.Enum) else _refuse(name, where)
        case {"own law": str(name), "fields": fields}:
            return _own_law(name, inner(fields), classes, where)
        case {"class": str(name), "fields": dict(fields)}:
            return _made(_class(name, classes, where), {key: inner(each) for key, each in fields.items()}, where)
    raise ValueError(f"an object with the keys {', '.join(map(str, content))}")


def _array(found: NDArray[Any], kind: str) -> Any:
    if kind == "jax":
        return jnp.asarray(found)
    return found if kind == "numpy" else found[()]


def _made(found: type, fields: dict[str, Any], where: str) -> Any:
    """An instance of a dataclass or a named tuple, of the fields that the file has."""
    if not dataclasses.is_dataclass(found) and not (issubclass(found, tuple) and hasattr(found, "_fields")):
        return _refuse(found.__name__, where)
    try:
        return found(**fields)
    except TypeError as error:
        raise InputError(
            f"{found.__name__} has other fields in this version of flpjax ({error})",
            where=where,
            remedy="Load it with the version that saved it",
        ) from None


def _own_law(name: str, fields: Any, given: Given, where: str) -> Any:
    """The caller's law by that name, with the configuration that was saved.

    Raises:
        InputError: It is not given, or is not what it was.
    """
    if name not in given:
        raise InputError(
            f"it needs the law of '{name}', which is a program of yours",
            where=where,
            remedy="Give the law that flpjax.law() made of it: flpjax.load(path, classes=[law])",
        )
    law = given[name].restored(fields) if is_own_law(given[name]) else None
    if law is None:
        raise InputError(
            f"the law of '{name}' that is given is not the one that was saved",
            where=where,
            remedy="Give the law as it was: the same parameters, features and formula",
        )
    return law


def _class(name: str, classes: Given, where: str) -> type:
    """A class of this package by its module and name, or one that the caller gave.

    Raises:
        InputError: There is none.
    """
    if name in classes:
        return classes[name]
    found = CLASS.fullmatch(name)
    module = found[1] if found else ""
    if found is None or module.partition(".")[0] != PACKAGE:
        raise InputError(
            f"it holds a class that is not flpjax's own, '{name}'",
            where=where,
            remedy="Give it: flpjax.load(path, classes=[YourLaw])",
        )
    try:
        own = getattr(importlib.import_module(module), found[2])
    except (ImportError, AttributeError):
        own = None
    if not isinstance(own, type) or own.__module__.partition(".")[0] != PACKAGE:
        raise InputError(f"this flpjax has no '{name}'", where=where, remedy="Load it with the version that saved it")
    return own


def _refuse(name: str, where: str) -> Any:
    raise InputError(f"'{name}' is no class of data", where=where, remedy="Is this a file that flpjax saved?")


def _name(kind: type) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"
