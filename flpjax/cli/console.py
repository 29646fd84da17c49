"""Where results and messages are printed: names can't command a terminal, and any encoding will do."""

from __future__ import annotations

import codecs
import sys
from collections.abc import Iterable
from contextlib import suppress
from io import StringIO
from typing import IO, Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from flpjax.cli.text import visible
from flpjax.errors import FlpjaxError

UNLIMITED = 1_000_000  # columns: into a file or a pipe nothing is cut short
DEGRADE = "flpjax.degrade"
"""The name of the handler of characters that an encoding lacks."""
IN_ASCII = {
    "×": "x", "–": "-", "—": "-", "−": "-", "…": "...", "≤": "<=", "≥": ">=", "≈": "~", "→": "->", "±": "+/-",
    "·": "*", "‖": "||", "∞": "inf", "’": "'", "‘": "'", "“": '"', "”": '"', "²": "^2", "³": "^3",
}  # fmt: skip


class StdoutError(FlpjaxError):
    """Results can't be printed: stdout is closed, or the disk is full."""


class ReaderLeftError(StdoutError):
    """Who read the results has read enough, as ``head`` has: nothing to be told about."""


class Stream:
    """stdout or stderr as they are at the moment; a failure to write is an error of ours on stdout, nothing on stderr.

    Args:
        name: ``"stdout"`` or ``"stderr"``.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def stream(self) -> IO[str] | None:
        """The stream itself, not what a progress bar puts in its place."""
        stream = getattr(sys, self.name)
        return getattr(stream, "rich_proxied_file", stream)

    @property
    def encoding(self) -> str:
        """Its encoding, which decides whether tables have lines of box characters."""
        return getattr(self.stream, "encoding", None) or "utf-8"

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        try:
            return self.stream is not None and self.stream.isatty()
        except ValueError:  # closed
            return False

    def fileno(self) -> int:
        """Its descriptor."""
        if self.stream is None:
            raise OSError("closed")
        return self.stream.fileno()

    def write(self, text: str) -> int:
        """Write text.

        Raises:
            StdoutError: stdout can't be written.
        """
        self._do("write", text)
        return len(text)

    def flush(self) -> None:
        """Hand everything over.

        Raises:
            StdoutError: stdout can't be written.
        """
        self._do("flush")

    def _do(self, what: str, *args: str) -> None:
        try:
            if self.stream is None:
                raise ValueError("it is closed")
            getattr(self.stream, what)(*args)
        except (OSError, ValueError) as error:
            if self.name == "stdout":
                if isinstance(error, BrokenPipeError):
                    raise ReaderLeftError("nobody reads on", where="stdout") from None
                why = getattr(error, "strerror", None) or str(error)
                raise StdoutError(f"can't be written ({why})", where="stdout") from None


class Terminal(Console):
    """A console that escapes what is not printable in texts; its own colours pass."""

    def print(self, *objects: Any, **how: Any) -> None:
        """Print, with texts escaped before they are measured."""
        super().print(*(lines_of(o) if isinstance(o, str) else o for o in objects), **how)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render, with whatever still holds control characters escaped."""
        for segment in super().render(renderable, options):
            text, style, control = segment
            yield segment if control or text.isprintable() else Segment(lines_of(text), style)


def console(name: str) -> Terminal:
    """The console on ``"stdout"`` or ``"stderr"``."""
    stream = Stream(name)
    width = None if stream.isatty() else UNLIMITED
    return Terminal(file=stream, highlight=False, markup=False, emoji=False, width=width)  # type: ignore[arg-type]


def text_of(shown: Iterable[RenderableType]) -> str:
    """What :func:`console` would print on stdout, without colours and without the last line's end."""
    terminal = Terminal(file=StringIO(), highlight=False, markup=False, emoji=False, width=console("stdout").width)
    with terminal.capture() as captured:
        terminal.print(*shown, sep="\n")
    return captured.get().rstrip("\n")


def lines_of(text: str) -> str:
    r"""Text with its own line breaks, and everything else that a terminal must not be sent written out, as ``\x1b``."""
    return "\n".join(map(visible, text.split("\n")))


def degrade_streams() -> None:
    """Let stdout and stderr write what their encoding lacks as the nearest ASCII, in place of an error halfway."""
    codecs.register_error(DEGRADE, _degrade)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            with suppress(ValueError, OSError):  # closed, or full
                stream.reconfigure(errors=DEGRADE)


def _degrade(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    lost = error.object[error.start : error.end]
    each = (IN_ASCII.get(c) or c.encode("ascii", "backslashreplace").decode() for c in lost)
    return "".join(each), error.end


out, err = console("stdout"), console("stderr")
