"""The corpus: five domains of English and code, from freely licensed packages."""

from benchmarks.ladder.corpus.installed import installed_corpus
from benchmarks.ladder.corpus.store import DOMAINS, SOURCES, SPLITS, Corpus, load, save

__all__ = ["DOMAINS", "SOURCES", "SPLITS", "Corpus", "installed_corpus", "load", "save"]
