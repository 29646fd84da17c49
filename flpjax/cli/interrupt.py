"""Ctrl-C: the program ends at once whatever it is doing, says so in one line, and leaves no half-written file.

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
from contextlib import suppress
from typing import NoReturn

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
