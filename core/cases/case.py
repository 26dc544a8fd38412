"""A request as it is in a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from penstock.core.journal.story import Story
from penstock.core.plan import Recording
from penstock.core.records import Port

SUFFIX: Final = ".penstock"
"""How the names of such files end."""


@dataclass(frozen=True, slots=True)
class CaseManifest:
    """A manifest as it was in force, and the folder on the server that its modules were looked for
    in. ``version`` is that of the resource."""

    document: Mapping[str, Any]
    version: int
    folder: str | None = None

    @property
    def kind(self) -> str:
        """As ``Model``."""
        return str(self.document["kind"])

    @property
    def name(self) -> str:
        """The resource's."""
        return str(self.document["metadata"]["name"])


@dataclass(frozen=True, slots=True)
class Withholding:
    """A tensor without its contents: where it stands, and the note in their place."""

    identity: str
    port: Port
    round: int
    tensor: str
    note: str
    pipeline: str


@dataclass(frozen=True, slots=True)
class Case:
    """One request, the requests that it made of other pipelines, its way through those that read
    it, and their manifests.

    ``missing`` has a sentence for everything that is not in it and may be wanted. ``config`` has
    those settings of the server that had a say. Stories that were read from a file know their plan
    once :mod:`penstock.core.cases.player` has compiled it.
    """

    story: Story
    children: Sequence[Story] = ()
    manifests: Sequence[CaseManifest] = ()
    withheld: Sequence[Withholding] = ()
    missing: Sequence[str] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    kept: Recording = "none"
    """Which ports are in it: those of ``record`` in the pipeline's manifest."""
    readers: Sequence[Story] = ()
    """In the order in which they began."""
    readers_kept: Mapping[str, Recording] = field(default_factory=dict)
    """The same of these, by the names of their pipelines."""

    def kept_of(self, story: Story) -> Recording:
        """Which ports of one of its requests are in it."""
        if story.plan is not None:
            return story.plan.record
        return self.readers_kept.get(story.pipeline, "none") if story.external else self.kept

    def child(self, identity: str) -> Story | None:
        """The request of that identity, if it is one that this one made."""
        return next((child for child in self.children if child.identity == identity), None)
