"""The contract of a page: what a plug-in shows at an address of the HTTP front end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class PageContent:
    """What a reader gets.

    ``headers`` go with it, with names in lower case. Where they have an ``etag``, a reader who
    says that it has just that is told so (304) instead of getting it again.
    """

    media_type: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


Page: TypeAlias = Callable[[Mapping[str, str]], PageContent]
"""Makes a page when it is asked for, on the event loop.

It is given what stands in the placeholders of its path (``/console/files/{file}``), by name, and
raises a PenstockError, NotFoundError for instance, for what it does not have.
"""

MergedPage: TypeAlias = Callable[[Mapping[str, str]], Awaitable[PageContent]]
"""The same, of which others have to be asked."""

MergePages: TypeAlias = Callable[[Mapping[str, PageContent]], PageContent]
"""Puts together what several processes show at one path, by the names of the processes."""
