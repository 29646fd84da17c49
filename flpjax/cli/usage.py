"""What typer says about a command line that it can't read: as short and printable as the project's own errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from typer.core import TyperGroup

from flpjax.errors import printable


class Commands(TyperGroup):
    """The commands of an app, whose usage errors repeat little of what was typed."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """As typer makes it."""
        with _shortened():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """As typer does it; options of a command are read here."""
        with _shortened():
            return super().invoke(ctx)


@contextmanager
def _shortened() -> Iterator[None]:
    try:
        yield
    except Exception as caught:
        error: Any = caught
        if hasattr(error, "format_message") and isinstance(getattr(error, "message", None), str):
            error.message = printable(error.message)
        raise
