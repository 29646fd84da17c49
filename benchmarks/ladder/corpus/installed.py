"""A corpus of some MB without any download: what a Python environment with this project's dependencies holds."""

from __future__ import annotations

import ast
import importlib.util
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path
from pydoc_data.topics import topics

from benchmarks.ladder.corpus.build import assemble
from benchmarks.ladder.corpus.clean import decode, plain
from benchmarks.ladder.corpus.dedup import Seen, is_text
from benchmarks.ladder.corpus.formats import together
from benchmarks.ladder.corpus.store import DOMAINS, Corpus

CAP = 1_000_000  # bytes of a domain
# Larger than those of the full corpus, of which a twentieth is enough: 60 kB of validation in each domain, or more.
VALIDATION = {"dictionary": 0.3, "documentation": 0.3, "prose": 0.2, "python": 0.2, "c": 0.2}

# Folders whose docstrings are long, and small enough to be parsed in a second.
DESCRIBED = (
    *("numpy/lib", "numpy/ma", "numpy/linalg", "numpy/polynomial", "scipy/optimize", "scipy/special", "scipy/spatial"),
    *("scipy/interpolate", "scipy/linalg", "scipy/ndimage", "jax/_src/numpy", "jax/_src/scipy"),
)
HEADERS = ("numpy/_core/include", "jaxlib/include")


def installed_corpus() -> Corpus:
    """A corpus of the five domains, the same in each call in one environment.

    ``python``: modules of the standard library. ``c``: headers of CPython, NumPy and jaxlib. ``documentation``: the
    topics of ``pydoc``. ``dictionary``: functions and the first paragraph of their docstrings. ``prose``: the
    paragraphs after it.
    """
    named, told = _docstrings()
    found: dict[str, Iterable[tuple[str, str]]] = {
        "dictionary": together(named),
        "documentation": topics.items(),
        "prose": told,
        "python": _files([Path(sysconfig.get_path("stdlib"))], "*.py"),
        "c": _files([Path(sysconfig.get_path("include")), *map(_folder, HEADERS)], "**/*.h"),
    }
    seen = Seen()
    texts: dict[str, dict[str, str]] = {domain: {} for domain in DOMAINS}
    for domain, documents in found.items():
        for name, document in documents:
            text = plain(document)
            if is_text(text, domain) and (text := seen.fresh(text)):
                texts[domain][f"installed/{name}"] = text
    return assemble(texts, dict.fromkeys(DOMAINS, CAP), VALIDATION)


def _folder(inside: str) -> Path:
    """A folder of an installed package, found without importing it."""
    package, _, rest = inside.partition("/")
    found = importlib.util.find_spec(package)
    return Path((found and found.origin) or ".").parent / rest


def _files(folders: Iterable[Path], pattern: str) -> Iterator[tuple[str, str]]:
    for folder in folders:
        if folder.is_dir():
            for path in sorted(folder.glob(pattern)):
                yield f"{folder.name}/{path.relative_to(folder).as_posix()}", decode(path.read_bytes())


def _docstrings() -> tuple[list[str], list[tuple[str, str]]]:
    """Entries ``name(arguments): first paragraph``, and names with all paragraphs after the first."""
    named, told = [], []
    for inside in DESCRIBED:
        for name, source in _files([_folder(inside)], "*.py"):
            for node in _defined(ast.parse(source).body):
                if text := ast.get_docstring(node):
                    first, _, rest = text.partition("\n\n")
                    arguments = f"({ast.unparse(node.args)})" if isinstance(node, ast.FunctionDef) else ""
                    named.append(f"{node.name}{arguments}: {' '.join(first.split())}")
                    told.append((f"{inside}/{name}/{node.name}/{node.lineno}", rest))
    return named, told


def _defined(body: Iterable[ast.stmt]) -> Iterator[ast.FunctionDef | ast.ClassDef]:
    """Functions, classes and methods; not what is inside of functions, which a walk over all nodes would visit."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node
        if isinstance(node, ast.ClassDef):
            yield from _defined(node.body)
