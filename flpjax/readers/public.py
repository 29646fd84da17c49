"""Where public ladders come from: a pinned, checksummed download, or a local copy named by ``FLPJAX_DATA``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import Path
from textwrap import shorten
from urllib.parse import quote

from flpjax.errors import InputError, count, did_you_mean
from flpjax.readers.verified import changed, missing, sha256

VARIABLE = "FLPJAX_DATA"
BASE = "https://raw.githubusercontent.com"
REMEDY = f"Or set {VARIABLE} to a folder that holds a copy of the repository at that commit, under '{{name}}'"
ALL_FILES = ("*",)
HASH_DIGITS_SHOWN = 12  # digits that messages show of a file's wrong hash
PARALLEL = 8  # downloads at a time; the largest ladder is 210 small files


@dataclass(frozen=True)
class Source:
    """A repository at one commit; ``registry/<name>.txt`` lists the files needed of it with their SHA-256.

    Attributes:
        repository: Owner and name on GitHub.
        commit: The full commit.
        licence: Its licence.
        by_hand: Empty for a data set that can be downloaded. Otherwise, what the user must put into a local copy: the
            files that the reader takes are not in the repository, or their published hashes are not known; the
            registry then lists the files that the reader was tested with.
        listed: Pattern of the files of which the reader takes all that it finds, so that an extra file would change the
            ladder; empty if there are none.
    """

    repository: str
    commit: str
    licence: str
    by_hand: str = ""
    listed: str = ""


SOURCES = {
    "olmo-ladder": Source("allenai/OLMo-ladder", "67a3f440f787d020da35e3ca8eeae475fae754f5", "Apache-2.0"),
    "gadre2024": Source(
        "mlfoundations/scaling", "a003c4913793ac2ae7ef87b28ecb562955d026d5", "MIT", listed="exp_data/models/*.json"
    ),
    "chinchilla": Source(
        "epoch-research/analyzing-chinchilla", "92258837425e1b5f2851d624287f0120583a3d0e", "no licence file"
    ),
    "regmix": Source("sail-sg/regmix", "b004d3a3f39846dcec6b3740da22bcd1ba95a5d0", "MIT"),
    "mixinglaws": Source(
        "yegcjs/mixinglaws",
        "8ad3e1244b53294ded55a96ae325f4112ce3bc63",
        "no licence file",
        by_hand="a clone of the repository at that commit, which is read as it is",
    ),
    "datablations": Source(
        "huggingface/datablations",
        "13701315b163f1c54642b94ad237b2699187c3ee",
        "Apache-2.0",
        by_hand="datablations_filtered.csv (name,N,D,U_unique_tokens,val_loss), the losses in the notebook "
        "plotstables/return_alloc.ipynb, and code_text_downstream.csv (model,params,tokens,text_source,python_pct,task,"
        "score,std), the LaTeX tables that plotstables/python.ipynb prints, one row a model and task",
    ),
}


def fetch(name: str, needed: Sequence[str] = ALL_FILES) -> Path:
    """The folder of a public ladder, laid out as its authors' repository is, checked against the registry.

    It is ``$FLPJAX_DATA/<name>`` if that variable is set; else a folder in the user's cache, filled by a download the
    first time. Of a data set with ``by_hand``, files need only exist: :func:`unverified` compares their
    hashes.

    Args:
        name: A key of :data:`SOURCES`.
        needed: Which files of the registry are read; ``*`` and ``?`` match as in a shell.

    Raises:
        InputError: There is no such ladder or local copy, it can't be downloaded, pooch is not installed, the download
            fails, or a file is missing or not the one published.
    """
    if name not in SOURCES:
        raise InputError(f"no public data set is named '{name}'", remedy=did_you_mean(name, SOURCES))
    local = os.environ.get(VARIABLE)
    if local:
        folder = Path(local).expanduser() / name
        if not folder.is_dir():
            raise InputError(
                "there is no such folder",
                where=f"{VARIABLE}, {folder}",
                remedy=_local_copy(name)
                if SOURCES[name].by_hand
                else f"Put a copy of {SOURCES[name].repository} there, or unset {VARIABLE} to download it",
            )
        _check_copy(folder, name, needed)
        return folder
    if SOURCES[name].by_hand:
        raise InputError("this data set can't be downloaded", where=name, remedy=_local_copy(name))
    return _download(name, SOURCES[name])


def registry(name: str) -> dict[str, str]:
    """Path inside the repository → SHA-256, of every file that the reader needs."""
    text = files("flpjax.readers").joinpath(f"registry/{name}.txt").read_text(encoding="utf-8")
    return dict(line.split() for line in text.splitlines() if line and not line.startswith("#"))


def unverified(folder: Path, name: str, needed: Sequence[str] = ALL_FILES) -> list[str]:
    """Warnings about files of a data set with ``by_hand`` whose hashes differ from the registry's.

    Args:
        folder: The folder that :func:`fetch` returned.
        name: A key of :data:`SOURCES`.
        needed: As :func:`fetch` takes it.
    """
    if not SOURCES[name].by_hand:
        return []
    wanted = _needed(name, needed)
    present = {path: sha for path, sha in wanted.items() if path not in missing(folder, wanted)}
    return [
        f"not verified: {folder / path} is not the table that the reader was tested with (its SHA-256 is "
        f"{sha256(folder / path)[:HASH_DIGITS_SHOWN]}…, that one's is {wanted[path]})"
        for path in changed(folder, present)
    ]


def _needed(name: str, patterns: Sequence[str]) -> dict[str, str]:
    """Path → SHA-256 of the registry's files that match a pattern, licences left out."""
    return {
        path: sha
        for path, sha in registry(name).items()
        if not path.startswith("LICENSE") and any(fnmatchcase(path, pattern) for pattern in patterns)
    }


def _check_copy(folder: Path, name: str, patterns: Sequence[str]) -> None:
    """Refuse a local copy in which a needed file is missing or changed, or which has an extra file that would be read.

    Of a data set with ``by_hand``, any ``data`` folder is taken for a clone, and otherwise files need only exist.

    Raises:
        InputError: The copy is refused.
    """
    source, wanted = SOURCES[name], _needed(name, patterns)
    absent = missing(folder, wanted)
    if source.by_hand:
        if absent and not (folder / "data").is_dir():
            raise InputError("there is no such file", where=str(folder / absent[0]), remedy=_local_copy(name))
        return
    published = f"github.com/{source.repository} at commit {source.commit}"
    remedy = f"Copy it from {published}, or unset {VARIABLE} to download it"
    if absent:
        more = f" (and {count(len(absent) - 1, 'more file')} missing)" if len(absent) > 1 else ""
        raise InputError(f"there is no such file{more}", where=str(folder / absent[0]), remedy=remedy)
    for path in (different := changed(folder, wanted))[:1]:
        more = f" (so are {count(len(different) - 1, 'more file')})" if len(different) > 1 else ""
        raise InputError(
            f"the file is not the one published: its SHA-256 is {sha256(folder / path)[:HASH_DIGITS_SHOWN]}…, "
            f"expected is {wanted[path]}{more}",
            where=str(folder / path),
            remedy=f"{remedy}. A table of your own is read by its path",
        )
    extra = (
        {str(p.relative_to(folder)) for p in folder.glob(source.listed)} - set(registry(name)) if source.listed else ()
    )
    for path in sorted(extra)[:1]:
        raise InputError(
            "the file is none of those published", where=str(folder / path), remedy=f"Move it elsewhere: {published}"
        )


def _local_copy(name: str) -> str:
    """How to make the local copy of a data set with ``by_hand``, for error messages."""
    source = SOURCES[name]
    where = f"github.com/{source.repository} at commit {source.commit}"
    return f"Set {VARIABLE} to a folder with '{name}' in it, made from {where}: {source.by_hand}"


def _download(name: str, source: Source) -> Path:
    """Download all of the registry's files into the user's cache, unless they are there, and return the folder."""
    try:
        import pooch
    except ImportError as error:
        raise InputError(
            "downloads need pooch, which is not installed",
            where=name,
            remedy=f"pip install 'flpjax[data]'. {REMEDY.format(name=name)}",
        ) from error
    from platformdirs import user_cache_path

    folder = user_cache_path("flpjax", appauthor=False) / name / source.commit
    wanted = registry(name)
    base = f"{BASE}/{source.repository}/{source.commit}/"
    pooch.get_logger().setLevel("WARNING")  # otherwise it logs two lines for each file
    store = pooch.create(
        folder, base, registry=wanted, urls={path: base + quote(path) for path in wanted}, retry_if_failed=1
    )
    first, *rest = wanted
    try:
        store.fetch(first)  # by itself first: without a network, one request fails instead of all
        with ThreadPoolExecutor(PARALLEL) as pool:
            for _ in pool.map(store.fetch, rest):
                pass
    except ValueError as error:  # a wrong hash; pooch has already removed the file
        raise InputError(
            f"a downloaded file is not the one published: {error}",
            where=name,
            remedy=f"Try again. {REMEDY.format(name=name)}",
        ) from error
    except OSError as error:
        raise InputError(
            f"the download failed: {shorten(str(error), 120)}",
            where=f"{name}, {base}",
            remedy=f"Check the network. {REMEDY.format(name=name)}",
        ) from error
    return folder
