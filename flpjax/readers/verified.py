"""Whether the files of a public ladder are those that its registry lists."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from flpjax.errors import InputError

KEPT = 1024  # hashes kept in a process: several ladders of some hundred files


def missing(folder: Path, wanted: Mapping[str, str]) -> list[str]:
    """The paths that are no files in ``folder``.

    Args:
        folder: The copy.
        wanted: Path inside it → SHA-256.
    """
    return [path for path in wanted if not (folder / path).is_file()]


def changed(folder: Path, wanted: Mapping[str, str]) -> list[str]:
    """The paths whose files have another SHA-256 than the one wanted.

    Args:
        folder: The copy; all files of ``wanted`` are there.
        wanted: Path inside it → SHA-256.

    Raises:
        InputError: A file can't be read.
    """
    return [path for path, sha in wanted.items() if sha256(folder / path) != sha]


def sha256(path: Path) -> str:
    """The hash of a file, computed anew when its size, its time of change or the file itself is another.

    Raises:
        InputError: It can't be read.
    """
    try:
        now = path.stat()
        return _sha256(path, now.st_size, now.st_ctime_ns, now.st_ino)
    except OSError as error:
        raise InputError(
            f"can't be read ({error.strerror})", where=str(path), remedy="Check its permissions"
        ) from error


@lru_cache(KEPT)
def _sha256(path: Path, *_state: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
