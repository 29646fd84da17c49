"""The list of packages, and their files: downloaded by the registry's own client, unpacked, never installed."""

from __future__ import annotations

import fnmatch
import os
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.ladder.corpus.store import DOMAINS

LIST = Path(__file__).with_name("packages.toml")


@dataclass(frozen=True)
class Package:
    """One row of ``packages.toml``, where the fields are described.

    Attributes:
        version: pinned for a wheel; of a Debian package what was downloaded.
        registry: ``PyPI`` if the row pins a version, else ``Debian``.
        folder: where it is unpacked.
    """

    name: str
    domain: str
    licence: str
    version: str = ""
    format: str = "code"
    take: tuple[str, ...] = ("*.py",)
    leave: tuple[str, ...] = ()
    inside: tuple[str, ...] = ()
    pattern: str = ""
    query: str = ""
    registry: str = "Debian"
    folder: Path | None = None

    def files(self) -> Iterator[tuple[str, Path]]:
        """Paths inside the package and on disk, sorted, of the files to take; links are left."""
        if self.folder is None:
            raise ValueError(f"{self.name} is not unpacked: call fetch() first")
        for path in sorted(self.folder.rglob("*")):
            inside = path.relative_to(self.folder).as_posix()
            if (
                path.is_file()
                and not path.is_symlink()
                and matches(inside, self.take)
                and not matches(inside, self.leave)
            ):
                yield inside, path


def packages() -> list[Package]:
    """All packages, in the order of the list."""
    held = tomllib.loads(LIST.read_text(encoding="utf-8"))
    rows = [(domain, row) for domain in DOMAINS for row in held[domain]]
    made = []
    for domain, row in rows:
        fields: dict[str, Any] = {k: tuple(value) if isinstance(value, list) else value for k, value in row.items()}
        made.append(Package(domain=domain, registry="PyPI" if "version" in row else "Debian", **fields))
    return made


def fetch(package: Package, cache: Path) -> Package:
    """Download and unpack a package below ``cache``, unless it is there; what comes back knows its version and folder.

    Raises:
        FileNotFoundError: If the registry has no such package.
    """
    place = cache / package.registry / package.name
    place.mkdir(parents=True, exist_ok=True)
    archive = _archive(place)
    if archive is None:
        _download(package, place)
        archive = _archive(place)
    if archive is None:
        raise FileNotFoundError(f"{package.registry} has no {package.name} {package.version}: see the message above")
    folder = place / "files"
    if not folder.exists():
        folder.mkdir()
        if archive.suffix == ".deb":
            subprocess.run(["dpkg-deb", "-x", str(archive), str(folder)], check=True)
        else:
            with zipfile.ZipFile(archive) as held:
                held.extractall(folder)
    version = package.version or archive.name.split("_")[1].replace("%3a", ":")
    return replace(package, version=version, folder=folder)


def matches(path: str, patterns: tuple[str, ...]) -> bool:
    """Whether a path matches one of the patterns; ``*`` matches ``/`` too."""
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


def _archive(place: Path) -> Path | None:
    return next((path for path in sorted(place.iterdir()) if path.suffix in (".deb", ".whl")), None)


def _download(package: Package, place: Path) -> None:
    if package.registry == "Debian":
        command = ["apt-get", "download", "-q", package.name]
    else:
        pinned = f"{package.name}=={package.version}"
        # One interpreter for all who build: wheels of other versions may hold other files.
        target = ["--python-version", "3.11", "--only-binary=:all:", "--no-deps"]
        command = [sys.executable, "-m", "pip", "download", "-q", *target, "-d", ".", pinned]
    subprocess.run(command, cwd=place, check=True, stdout=subprocess.DEVNULL, env=os.environ)
