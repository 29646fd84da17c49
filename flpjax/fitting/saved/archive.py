"""One file with JSON and arrays in it: a zip archive that ends in the checksum of all of it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import secrets
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import InputError
from flpjax.version import __version__, installed

SCHEMA = 1
"""Of the file: of what is in it, and how. One more with every change that an older version would misread."""
MANIFEST, CONTENT, ARRAYS = "manifest.json", "content.json", "arrays.npz"
FORMAT = "flpjax"
LARGEST = 2**32  # bytes that are read of one file: two thousand draws of a hundred outputs take a thousandth
DATE = (1980, 1, 1, 0, 0, 0)  # of the members, so that the same content is the same file
SEAL = 64  # bytes
VERSIONS = ("jax", "jaxlib", "numpy", "scipy")


class Content(NamedTuple):
    """What is in a file.

    Attributes:
        kind: What it is: ``draws``, or what stands on draws.
        content: JSON.
        arrays: Beside it.
        made: Versions of flpjax, Python and the libraries below it that made the file.
    """

    kind: str
    content: Any
    arrays: tuple[NDArray[Any], ...]
    made: dict[str, str]


def packed(kind: str, content: Any, arrays: Sequence[NDArray[Any]]) -> bytes:
    """The bytes of a file; the same for the same content and versions."""
    from platform import python_version

    buffer = io.BytesIO()
    np.savez(buffer, **{str(i): array for i, array in enumerate(arrays)})  # type: ignore[arg-type]
    made = {"flpjax": __version__, "python": python_version(), **{name: installed(name) for name in VERSIONS}}
    manifest = {"format": FORMAT, "schema": SCHEMA, "kind": kind, "made_by": made}
    members = {MANIFEST: _json(manifest), CONTENT: _json(content), ARRAYS: buffer.getvalue()}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name, DATE)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
        archive.comment = bytes(SEAL)
    unsealed = file.getvalue()[:-SEAL]
    return unsealed + _seal(unsealed)


def unpacked(path: Path) -> Content:
    """Read and check a file.

    Raises:
        InputError: It can't be read, is no file of flpjax, is of a newer version, cut off, or altered.
    """
    where = str(path)
    try:
        if path.stat().st_size > LARGEST:
            raise InputError("the file is too large", where=where, remedy="Is this a file that flpjax saved?")
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"can't be read ({error.strerror})", where=where, remedy="Name another file") from None
    if not data.startswith(b"PK"):
        raise InputError("this is no file that flpjax saved", where=where, remedy="Save draws with draws.save(path)")
    altered = InputError("the file was cut off or altered", where=where, remedy="Take an unaltered copy of it")
    if data[-SEAL:] != _seal(data[:-SEAL]):
        raise altered
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(info.file_size for info in archive.infolist()) > LARGEST:
                raise InputError("the file is too large", where=where, remedy="Is this a file that flpjax saved?")
            members = {name: archive.read(name) for name in (MANIFEST, CONTENT, ARRAYS)}
        manifest = json.loads(members[MANIFEST])
        if manifest["schema"] > SCHEMA:
            raise InputError(
                f"it was saved by flpjax {manifest['made_by']['flpjax']}, newer than this {__version__}",
                where=where,
                remedy="Update flpjax: pip install -U flpjax",
            )
        with np.load(io.BytesIO(members[ARRAYS]), allow_pickle=False) as arrays:
            found = tuple(arrays[str(i)] for i in range(len(arrays.files)))
        return Content(str(manifest["kind"]), json.loads(members[CONTENT]), found, dict(manifest["made_by"]))
    except InputError:
        raise
    except Exception:  # of the zip archive, of JSON, of NumPy's own headers: many kinds
        raise altered from None


def write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        InputError: It can't be written.
    """
    part = path.with_name(f".flpjax-{secrets.token_hex(8)}")
    try:
        with part.open("xb") as file:
            file.write(data)
        os.replace(part, path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        why = f"can't be written ({error.strerror})"
        raise InputError(why, where=str(path), remedy="Name another file") from None


def _seal(data: bytes) -> bytes:
    """What a file ends in, as the comment of the archive: the SHA-256 of all before it."""
    return hashlib.sha256(data).hexdigest().encode()


def _json(content: Any) -> bytes:
    return json.dumps(content, allow_nan=False, ensure_ascii=True, separators=(",", ":")).encode()
