"""What the command line decides about JAX: float64, and compiled programs that are kept between runs."""

from __future__ import annotations

import ctypes
import gc
import glob
import os
import re
import tempfile
import warnings
from contextlib import suppress
from pathlib import Path

from flpjax.cli.console import err
from flpjax.cli.text import visible
from flpjax.errors import InputError

DAMAGED = r"Error reading persistent compilation cache entry for '([^']*)'"
NOT_KEPT = "Error writing persistent compilation cache entry"
"""How JAX's warnings about its folder of programs begin."""
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # as glibc's malloc.h numbers them
NEVER = 1e9  # seconds of compiling from which on a program is kept


def start_jax() -> None:
    """Set float64, keep compiled programs, and start the device: the command line is the program, so it may decide.

    Programs are kept in the user's cache folder, or ``FLPJAX_CACHE``. What goes wrong there costs time and no result:
    it is said once, and damaged programs are removed, so that they are compiled and kept again.

    Raises:
        InputError: JAX has no such device.
    """
    gc.disable()
    import jax
    import platformdirs

    _keep_memory()
    gc.freeze()  # looking through all that JAX makes for what nobody uses takes a tenth of a second each time
    gc.enable()
    jax.config.update("jax_enable_x64", True)
    folder = Path(os.environ.get("FLPJAX_CACHE") or Path(platformdirs.user_cache_dir("flpjax")) / "compiled")
    kept = _writable(folder)
    if folder.is_dir():  # programs of a folder that can't be written are used all the same
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0 if kept else NEVER)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
        _listen(folder)
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:
        asked = os.environ.get("JAX_PLATFORMS", "")
        why = str(error).partition("\n")[0] or "there is none of this kind"
        raise InputError(
            f"JAX can't start a device: {why}",
            where=f"JAX_PLATFORMS={asked}" if asked else "",
            remedy="Leave JAX_PLATFORMS unset to run on what there is" if asked else "JAX_PLATFORMS=cpu runs without",
        ) from None
    if folder.is_dir() and not jax.config.read("jax_disable_most_optimizations"):  # as tests compile
        from flpjax.numerics import keep_programs

        keep_programs(folder, kept)


def _keep_memory() -> None:
    """Tell glibc to hand freed memory out again, in place of giving it back to the system and asking for it anew.

    NumPy makes and frees arrays of megabytes thousands of times; that the system fills each with zeros takes a fifth
    of the time of a forecast of 100 tasks.
    """
    with suppress(OSError, AttributeError):  # of another C library
        mallopt = ctypes.CDLL(None).mallopt
        for option, size in ((TRIM_THRESHOLD, 1 << 30), (MMAP_THRESHOLD, 32 << 20)):  # the latter's largest
            mallopt(option, size)


def _writable(folder: Path) -> bool:
    """Whether programs can be kept; says why not."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder, prefix=".flpjax-"):
            return True
    except OSError as error:
        err.print(f"compiled programs are not kept: {error}", style="dim", soft_wrap=True)
        return False


def _listen(folder: Path) -> None:
    """Take JAX's warnings about its folder: one line for all, and a damaged program is removed."""
    shown = warnings.showwarning
    if getattr(shown, "folder", None) == folder:
        return
    said: set[str] = set()

    def say(line: str) -> None:
        if not said:
            err.print(line, style="dim", soft_wrap=True)
        said.add(line)

    def take(message: Warning | str, *where: object, **how: object) -> None:
        text = str(message)
        damaged = re.match(DAMAGED, text)
        if damaged:
            for entry in folder.glob(f"{glob.escape(damaged[1])}-*"):
                with suppress(OSError):
                    entry.unlink()
            say(f"a compiled program in {folder} was damaged: it is compiled again")
        elif text.startswith(NOT_KEPT):
            say(f"compiled programs are not kept: {visible(text.partition(': ')[2])}")
        else:
            shown(message, *where, **how)  # type: ignore[arg-type]

    for start in ("Error reading", "Error writing"):
        warnings.filterwarnings("always", message=f"{start} persistent compilation cache entry")
    take.folder = folder  # type: ignore[attr-defined]
    warnings.showwarning = take
