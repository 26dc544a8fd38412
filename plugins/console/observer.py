"""The observer whose pages are the console."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.resources import files
from string import Template
from typing import Any, Final

import orjson

from penstock.core.contracts.observer import Observer
from penstock.core.contracts.page import MergePages, Page, PageContent
from penstock.core.errors import NotFoundError
from penstock.core.metrics import Metrics
from penstock.plugins.console.figures import figures_document, merged_figures
from penstock.plugins.console.options import ConsoleOptions

MEDIA_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}

HEADERS: Final = {
    # Readers ask again whether it has changed, so that an upgrade is seen at once.
    "cache-control": "no-cache",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
}
"""Nothing is read from elsewhere, nothing runs that is not a file of ours, and no page of others
frames this one."""

INDEX: Final = "index.html"


class ConsoleObserver(Observer):
    """Shows the page of the console, the files that it is made of, and its figures."""

    def __init__(self, options: ConsoleOptions) -> None:
        self._path = options.path
        self._metrics: Metrics | None = None
        self._files: dict[str, PageContent] = {}

    def start(self, metrics: Metrics) -> None:
        self._metrics = metrics
        for file in files(__package__).joinpath("files").iterdir():
            self._files[file.name] = self._content(file.name, file.read_bytes())

    def pages(self) -> Mapping[str, Page]:
        return {
            self._path: lambda path: self._files[INDEX],
            f"{self._path}/files/{{file}}": self._file,
            f"{self._path}/figures": self._figures,
        }

    def merges(self) -> Mapping[str, MergePages]:
        return {f"{self._path}/figures": _merged}

    def _content(self, name: str, body: bytes) -> PageContent:
        if name == INDEX:
            body = self._with_addresses(body)
        tag = hashlib.sha256(body).hexdigest()[:32]
        media_type = MEDIA_TYPES[name.rpartition(".")[2]]
        return PageContent(media_type, body, {**HEADERS, "etag": f'"{tag}"'})

    def _with_addresses(self, page: bytes) -> bytes:
        """Addresses are relative to the page, so that it works behind a proxy that puts something
        before the path."""
        *folders, last = self._path.strip("/").split("/")
        root = "../" * len(folders) or "./"
        return Template(page.decode()).substitute(files=f"./{last}/files", root=root).encode()

    def _file(self, path: Mapping[str, str]) -> PageContent:
        found = self._files.get(path["file"])
        if found is None:
            raise NotFoundError(f"the console has no file '{path['file'][:60]}'")
        return found

    def _figures(self, path: Mapping[str, str]) -> PageContent:
        assert self._metrics is not None, "pages are asked for after the start"
        return _written(figures_document(self._metrics))


def _merged(pages: Mapping[str, PageContent]) -> PageContent:
    return _written(merged_figures([orjson.loads(page.body) for page in pages.values()]))


def _written(figures: dict[str, Any]) -> PageContent:
    return PageContent("application/json", orjson.dumps(figures), {"cache-control": "no-store"})
