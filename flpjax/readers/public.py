"""Where public ladders come from: a pinned, checksummed download, or a local copy named by ``FLPJAX_DATA``."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from textwrap import shorten
from urllib.parse import quote

from flpjax.errors import InputError, did_you_mean

VARIABLE = "FLPJAX_DATA"
BASE = "https://raw.githubusercontent.com"
REMEDY = f"Or set {VARIABLE} to a folder that holds a copy of the repository at that commit, under '{{name}}'"
PARALLEL = 8  # downloads at a time: one ladder is 210 small files


@dataclass(frozen=True)
class Source:
    """A repository at one commit; ``registry/<name>.txt`` lists the files needed of it with their SHA-256.

    Attributes:
        repository: Owner and name on GitHub.
        commit: The full commit.
        licence: Its licence.
        by_hand: What a local copy must hold, where a download can't make one: the files that are read are not files of
            the repository, or their hashes there are not known. Empty for a data set that can be downloaded. The
            registry then lists the tables that the reader was tested with.
    """

    repository: str
    commit: str
    licence: str
    by_hand: str = ""


SOURCES = {
    "olmo-ladder": Source("allenai/OLMo-ladder", "67a3f440f787d020da35e3ca8eeae475fae754f5", "Apache-2.0"),
    "gadre2024": Source("mlfoundations/scaling", "a003c4913793ac2ae7ef87b28ecb562955d026d5", "MIT"),
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


def fetch(name: str) -> Path:
    """The folder of a public ladder, laid out as its authors' repository is.

    It is ``$FLPJAX_DATA/<name>`` if that variable is set; else a folder in the user's cache, filled by a download the
    first time and checked every time.

    Args:
        name: A key of :data:`SOURCES`.

    Raises:
        InputError: There is no such ladder or local copy, it can't be downloaded, pooch is not installed, the download
            fails, or a file is not the one it should be.
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
        return folder
    if SOURCES[name].by_hand:
        raise InputError("this data set can't be downloaded", where=name, remedy=_local_copy(name))
    return _download(name, SOURCES[name])


def registry(name: str) -> dict[str, str]:
    """Path inside the repository → SHA-256, of every file that the reader needs."""
    text = files("flpjax.readers").joinpath(f"registry/{name}.txt").read_text(encoding="utf-8")
    return dict(line.split() for line in text.splitlines() if line and not line.startswith("#"))


def _local_copy(name: str) -> str:
    source = SOURCES[name]
    where = f"github.com/{source.repository} at commit {source.commit}"
    return f"Set {VARIABLE} to a folder with '{name}' in it, made from {where}: {source.by_hand}"


def _download(name: str, source: Source) -> Path:
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
    pooch.get_logger().setLevel("WARNING")  # otherwise two lines a file
    store = pooch.create(
        folder, base, registry=wanted, urls={path: base + quote(path) for path in wanted}, retry_if_failed=1
    )
    first, *rest = wanted
    try:
        store.fetch(first)  # alone: without a network one file fails, not all of them
        with ThreadPoolExecutor(PARALLEL) as pool:
            for _ in pool.map(store.fetch, rest):
                pass
    except ValueError as error:  # pooch has removed the file by now
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
