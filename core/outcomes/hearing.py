"""Which pipelines hear of one request: the one that is called, and those that read it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from penstock.core.manifests.externals import external_sources
from penstock.core.resources import Pipeline


def sources_of(pipeline: Pipeline) -> tuple[str, ...]:
    """The names of the pipelines that it reads, each once."""
    return tuple(dict.fromkeys(each.source.pipeline for each in external_sources(pipeline)))


def heard_together(reader: Pipeline, pipelines: Mapping[str, Pipeline]) -> list[frozenset[str]]:
    """Which of the pipelines that ``reader`` reads hear of one request, for whatever is called; the
    largest of these sets first.

    Where records are matched by key, any one of them may bring no more of a key.
    """
    sources = sources_of(reader)
    section = reader.spec.input
    if section is not None and section.match == "key" and len(sources) > 1:
        sets = [frozenset(sources), *(frozenset(sources) - {each} for each in sources)]
    else:
        reads = {name: sources_of(each) for name, each in pipelines.items()}
        heard = ({root, *_readers_of(root, reads)} for root in pipelines if root != reader.name)
        sets = [frozenset(sources) & each for each in heard]
    return sorted(dict.fromkeys(filter(None, sets)), key=lambda each: (-len(each), sorted(each)))


def _readers_of(root: str, reads: Mapping[str, Iterable[str]]) -> set[str]:
    """Those that read a pipeline, and those that read them."""
    found: set[str] = set()
    left = [root]
    while left:
        source = left.pop()
        new = {name for name, sources in reads.items() if source in sources} - found
        found |= new
        left += new
    return found
