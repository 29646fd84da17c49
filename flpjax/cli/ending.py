"""How a command ends: whatever went wrong, one line on stderr and an exit code; and Ctrl-C, at once.

0: good. 1: the work failed, or its results could not be printed, or its review says FAIL and ``--strict`` was given.
2: bad input. 130: interrupted.

On Ctrl-C the program ends whatever it is doing, says so in one line, and leaves no half-written file.
Python raises ``KeyboardInterrupt`` between two instructions of the main thread. That loses presses in callbacks and
destructors, which can't raise; waits for compiled code to return; and unwinds a runtime that has threads of its own.
So nothing is raised here: the signal wakes a thread, and the thread ends the process.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from flpjax.errors import FlpjaxError, InputError

if TYPE_CHECKING:
    from flpjax.results.verdicts import Review

INTERRUPTED = 130  # the exit code: 128 + the number of the signal, as shells count
PATIENCE = 1.0  # seconds that a file which is just being put in place may take
CLEAN_LINE = "\r\x1b[2K\x1b[?25h"  # of a terminal: remove the progress bar, show the cursor that it hid

writing = threading.Lock()
"""Held while a file is put in place, so that the last words are true."""
unfinished: set[str] = set()
"""Temporary files, to be removed."""
written: list[str] = []
"""Files that this command has put in place."""


def watch() -> None:
    """From now on Ctrl-C ends this process; not where a program has its own handler, or ignores the signal."""
    own = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not own or threading.current_thread() is not threading.main_thread():
        return
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.signal(signal.SIGINT, lambda _signal, _frame: None)  # one that raises nothing
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    threading.Thread(target=_wait, args=(read,), daemon=True, name="Ctrl-C").start()


def last_words() -> str:
    """What an interrupted command left behind, in one line."""
    if not written:
        return "interrupted; nothing was written"
    return f"interrupted; written before: {', '.join(ascii(name)[1:-1] for name in written)}"


def end() -> NoReturn:
    """Remove what is half-written, say so on stderr, and end the process without unwinding it."""
    writing.acquire(timeout=PATIENCE)
    for name in tuple(unfinished):
        with suppress(OSError):
            os.unlink(name)
    with suppress(OSError):  # straight to the descriptor: the main thread may hold the stream's lock
        os.write(2, f"{CLEAN_LINE if os.isatty(2) else ''}{last_words()}\n".encode())
    os._exit(INTERRUPTED)


def leave(code: int) -> NoReturn:
    """End the process when all is done: what was registered for the end is called, and nothing is taken down.

    While Python takes itself down, a press would kill it without a word, and compiled code may still have threads.
    """
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code)


def _wait(read: int) -> None:
    while received := os.read(read, 1):
        if received[0] == signal.SIGINT:
            end()


FAILED, BAD_INPUT = 1, 2


def run(command: Callable[..., object], args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line; as a program of its own, if no arguments are given.

    Args:
        command: Takes ``args``, and raises SystemExit when done.
        args: Its arguments; None for those of the process.

    Raises:
        SystemExit: Always, with the exit code.
    """
    from flpjax.cli.console import ReaderLeftError, degrade_streams, out

    written.clear()
    if args is None:
        watch()
    degrade_streams()
    try:
        try:
            command(args=args)
            code: object = 0
        except SystemExit as stop:
            code = stop.code
        if code == INTERRUPTED:
            raise KeyboardInterrupt  # a library had a handler of its own
        out.file.flush()
    except KeyboardInterrupt:
        if args is None:
            end()
        _say(last_words())
        code = INTERRUPTED
    except Exception as error:
        message = _message(error)
        if message is None:
            raise
        if not isinstance(error, ReaderLeftError):
            _say(f"error: {message}")
        code = BAD_INPUT if isinstance(error, InputError) else FAILED
    if code == FAILED:
        _drop_what_can_not_be_written()
    raise SystemExit(code)


def strictly(strict: bool, reviewed: Review | None) -> None:
    """With ``--strict``, end in exit code 1 if a check says FAIL; REVIEW is no failure.

    Raises:
        SystemExit: One does.
    """
    if strict and reviewed is not None and reviewed.verdict.name == "FAIL":
        raise SystemExit(FAILED)


def _message(error: Exception) -> str | None:
    """An error in one line; None for a fault of the program, which needs its traceback."""
    if isinstance(error, FlpjaxError):
        return str(error)
    if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error):
        return "there is not enough memory. Ask for fewer --draws, or give a smaller table"
    return str(error) if isinstance(error, OSError) else None


def _say(line: str) -> None:
    from flpjax.cli.console import console
    from flpjax.cli.layout import Paragraph

    with suppress(OSError, ValueError, AttributeError):  # stderr is full or closed: the exit code says it
        console("stderr").print(Paragraph(line, hang=2))  # one line, but broken at words in a terminal


def _drop_what_can_not_be_written() -> None:
    """Close a stdout that refuses what it still holds, so that Python does not try again, and complain, at its end."""
    stream = sys.stdout
    try:
        if stream is not None:
            stream.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            stream.close()
