"""How a command ends: whatever went wrong, one line on stderr and an exit code.

0: good. 1: the work failed, or its results could not be printed. 2: bad input. 130: interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NoReturn

from flpjax.cli import interrupt
from flpjax.errors import FlpjaxError, InputError

FAILED, BAD_INPUT = 1, 2


def run(command: Callable[..., object], args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line; as a program of its own, if no arguments are given.

    Args:
        command: Takes ``args``, and raises SystemExit when done.
        args: Its arguments; None for those of the process.

    Raises:
        SystemExit: Always, with the exit code.
    """
    from flpjax.cli.console import degrade_streams, out

    interrupt.written.clear()
    if args is None:
        interrupt.watch()
    degrade_streams()
    try:
        try:
            command(args=args)
            code: object = 0
        except SystemExit as stop:
            code = stop.code
        if code == interrupt.INTERRUPTED:
            raise KeyboardInterrupt  # a library had a handler of its own
        out.file.flush()
    except KeyboardInterrupt:
        if args is None:
            interrupt.end()
        _say(interrupt.last_words())
        code = interrupt.INTERRUPTED
    except Exception as error:
        message = _message(error)
        if message is None:
            raise
        _say(f"error: {message}")
        code = BAD_INPUT if isinstance(error, InputError) else FAILED
    if code == FAILED:
        _drop_what_can_not_be_written()
    raise SystemExit(code)


def _message(error: Exception) -> str | None:
    """An error in one line; None for a fault of the program, which needs its traceback."""
    if isinstance(error, FlpjaxError):
        return str(error)
    if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error):
        return "there is not enough memory. Ask for fewer --draws, or give a smaller table"
    return str(error) if isinstance(error, OSError) else None


def _say(line: str) -> None:
    from flpjax.cli.console import err
    from flpjax.cli.layout import Paragraph

    with suppress(OSError, ValueError, AttributeError):  # stderr is full or closed: the exit code says it
        err.print(Paragraph(line, hang=2))  # one line, but broken at words in a terminal


def _drop_what_can_not_be_written() -> None:
    """Close a stdout that refuses what it still holds, so that Python does not try again, and complain, at its end."""
    stream = sys.stdout
    try:
        if stream is not None:
            stream.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            stream.close()
