"""The client over REST (HTTP/1.1), with binary tensors where the server has that extension."""

from __future__ import annotations

import ssl
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote, urlsplit

import httptools
import orjson

from penstock.core.byte_elements import Buffer
from penstock.core.client.http_connection import AnswerTooLargeError, HttpAnswer, NothingSentError
from penstock.core.codecs.json import decode_response, encode_request
from penstock.core.codecs.json.tail import HEADER as JSON_LENGTH
from penstock.core.contracts.gateway import IndexEntry, ServerMetadata
from penstock.core.errors import InvalidRequestError, PenstockError, TooLargeError
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.records import Headers
from penstock.core.request_headers import TIMEOUT_HEADER
from penstock.core.signature import Signature
from penstock.servers.v2.client import (
    NO_HEADERS,
    NO_LOAD_PARAMETERS,
    LoadParameters,
    V2Client,
)
from penstock.servers.v2.endpoint import Endpoint
from penstock.servers.v2.failures import Failures, as_step, no
from penstock.servers.v2.http_pool import HttpPool, Secured
from penstock.servers.v2.rest_failures import failure_of
from penstock.servers.v2.signatures import TensorMetadata, signature_of

BINARY_EXTENSIONS: Final = frozenset(("binary_tensor_data",))
"""How servers name the extension in their metadata."""

LENGTH_KEY: Final = JSON_LENGTH.lower().encode()
JSON_TYPE: Final = "application/json"


class RestClient(V2Client):
    """Calls over a bounded pool of connections. Made on the event loop that it is used on.

    ``context`` is that of :func:`penstock.core.credentials.ssl_context` where TLS is spoken.
    ``binary`` says whether tensors go and come as binary data; None asks the server's metadata,
    once, before the first inference.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        context: ssl.SSLContext | None = None,
        *,
        binary: bool | None = None,
    ) -> None:
        self._address = endpoint.address
        self._failures = Failures(self._address)
        self._limits = endpoint.limits
        self._token = endpoint.token
        self._binary = binary
        parts = urlsplit(self._address)
        host = parts.hostname or ""
        name = None if endpoint.tls is None else endpoint.tls.server_name
        secured = None if context is None else Secured(context, name or host)
        self._pool = HttpPool(host, parts.port or 80, endpoint.limits, secured)
        self._host_line = f"Host: {endpoint.place}\r\n"

    @property
    def address(self) -> str:
        return self._address

    async def server_live(self, *, timeout_s: float | None = None) -> bool:
        return await self._says_yes("/v2/health/live", timeout_s)

    async def server_ready(self, *, timeout_s: float | None = None) -> bool:
        return await self._says_yes("/v2/health/ready", timeout_s)

    async def server_metadata(self, *, timeout_s: float | None = None) -> ServerMetadata:
        document = await self._document("GET", "/v2", None, timeout_s)
        with self._reading():
            extensions = tuple(map(str, document.get("extensions") or ()))
            return ServerMetadata(
                str(document["name"]), str(document.get("version") or ""), extensions
            )

    async def model_ready(
        self, name: str, version: str = "", *, timeout_s: float | None = None
    ) -> bool:
        return await self._says_yes(f"{model_path(name, version)}/ready", timeout_s)

    async def model_metadata(
        self, name: str, version: str = "", *, timeout_s: float | None = None
    ) -> Signature:
        document = await self._document("GET", model_path(name, version), None, timeout_s)
        with self._reading():
            return signature_of(_tensors(document, "inputs"), _tensors(document, "outputs"))

    async def infer(
        self,
        request: InferenceRequest,
        *,
        timeout_s: float | None = None,
        headers: Headers = NO_HEADERS,
    ) -> InferenceResponse:
        text, buffers = await self._encode(request, timeout_s)
        sent = {**headers, "Content-Type": "application/octet-stream" if buffers else JSON_TYPE}
        if buffers:
            sent[JSON_LENGTH] = str(len(text))
        path = infer_path(request.model_name, request.model_version)
        try:
            answer = await self._ask("POST", path, [text, *buffers], timeout_s, sent)
        except PenstockError as error:
            raise as_step(error) from error.__cause__
        length = answer.headers.get(LENGTH_KEY)
        try:
            return decode_response(
                answer.body,
                header_length=None if length is None else int(length),
                max_json_bytes=self._limits.max_bytes,
            )
        except (InvalidRequestError, TooLargeError, ValueError) as error:
            raise self._failures.unreadable(error) from error

    async def repository_index(
        self, *, ready_only: bool = False, timeout_s: float | None = None
    ) -> Sequence[IndexEntry]:
        rows = await self._document(
            "POST", "/v2/repository/index", {"ready": True} if ready_only else {}, timeout_s
        )
        with self._reading():
            return [_index_entry(row) for row in rows]

    async def load(
        self,
        name: str,
        parameters: LoadParameters = NO_LOAD_PARAMETERS,
        *,
        timeout_s: float | None = None,
    ) -> None:
        await self._change(name, "load", parameters, timeout_s)

    async def unload(
        self,
        name: str,
        parameters: LoadParameters = NO_LOAD_PARAMETERS,
        *,
        timeout_s: float | None = None,
    ) -> None:
        await self._change(name, "unload", parameters, timeout_s)

    async def close(self) -> None:
        self._pool.close()

    async def _encode(
        self, request: InferenceRequest, timeout_s: float | None
    ) -> tuple[bytes, list[Buffer]]:
        """The JSON and what follows it, binary where the server takes that."""
        binary = self._binary
        if binary is None:
            binary = self._binary = await self._has_binary(timeout_s)
        asked = InferenceRequest(
            request.id, request.tensors, request.parameters, request.outputs, binary
        )
        try:
            return encode_request(asked, binary=binary)
        except InvalidRequestError as error:
            if binary:
                raise
            raise self._failures.cannot_carry(error) from error

    async def _has_binary(self, timeout_s: float | None) -> bool:
        """Whether the server names the extension; one that has no metadata does not."""
        try:
            known = await self.server_metadata(timeout_s=timeout_s)
        except PenstockError as error:
            return no(error)
        return not BINARY_EXTENSIONS.isdisjoint(known.extensions)

    async def _says_yes(self, path: str, timeout_s: float | None) -> bool:
        try:
            await self._ask("GET", path, (), timeout_s, NO_HEADERS)
        except PenstockError as error:
            return no(error)
        return True

    async def _change(
        self, name: str, verb: str, parameters: LoadParameters, timeout_s: float | None
    ) -> None:
        written = {
            key: b64encode(value).decode("ascii") if isinstance(value, bytes) else value
            for key, value in parameters.items()
        }
        path = f"/v2/repository/models/{quote(name, safe='')}/{verb}"
        body = orjson.dumps({"parameters": written} if written else {})
        await self._ask("POST", path, [body], timeout_s, {"Content-Type": JSON_TYPE})

    async def _document(
        self, method: str, path: str, content: Mapping[str, Any] | None, timeout_s: float | None
    ) -> Any:
        """The JSON that the server answers with."""
        parts = () if content is None else [orjson.dumps(content)]
        headers = NO_HEADERS if content is None else {"Content-Type": JSON_TYPE}
        answer = await self._ask(method, path, parts, timeout_s, headers)
        with self._reading():
            return orjson.loads(answer.body)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """A document that has another form than V2 wants is the server's error."""
        try:
            yield
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._failures.unreadable(f"{type(error).__name__}: {error}") from error

    async def _ask(
        self,
        method: str,
        path: str,
        content: Sequence[Buffer],
        timeout_s: float | None,
        headers: Headers,
    ) -> HttpAnswer:
        """Send a message and read the answer, which is a success. Hot."""
        if timeout_s is None:
            timeout_s = self._limits.timeout_s
        head = self._head(method, path, sum(map(len, content)), timeout_s, headers)
        try:
            answer = await self._pool.ask((head, *content), timeout_s)
        except TimeoutError as error:
            raise self._failures.late(timeout_s) from error
        except NothingSentError as error:
            raise self._failures.unreachable(error) from error
        except httptools.HttpParserError as error:
            raise self._failures.unreadable(error) from error
        except AnswerTooLargeError as error:
            raise self._failures.too_large(str(error)) from error
        except OSError as error:
            raise self._failures.broken(error) from error
        if not 200 <= answer.status < 300:
            raise failure_of(answer.status, answer.body, self._failures)
        return answer

    def _head(
        self, method: str, path: str, length: int, timeout_s: float, headers: Headers
    ) -> bytes:
        """What goes before the content. Raises StepFailedError for a header that would be two."""
        lines = [f"{method} {path} HTTP/1.1\r\n", self._host_line]
        for name, value in headers.items():
            lines.append(f"{name}: {value}\r\n")
        lines.append(f"{TIMEOUT_HEADER}: {max(timeout_s * 1000.0, 1.0):.0f}\r\n")
        if self._token is not None:
            lines.append(f"Authorization: Bearer {self._token()}\r\n")
        lines.append(f"Content-Length: {length}\r\n")
        head = "".join(lines)
        if head.count("\n") != len(lines) or head.count("\r") != len(lines):
            raise self._failures.cannot_say(headers)
        return f"{head}\r\n".encode("latin-1", "replace")


def model_path(name: str, version: str) -> str:
    """The path of a model, or of one of its versions."""
    path = f"/v2/models/{quote(name, safe='')}"
    return f"{path}/versions/{quote(version, safe='')}" if version else path


@lru_cache(maxsize=4096)
def infer_path(name: str, version: str) -> str:
    """Where a model is called."""
    return f"{model_path(name, version)}/infer"


def _tensors(document: Mapping[str, Any], side: str) -> list[TensorMetadata]:
    return [
        TensorMetadata(str(each["name"]), str(each["datatype"]), list(map(int, each["shape"])))
        for each in document.get(side) or ()
    ]


def _index_entry(row: Mapping[str, Any]) -> IndexEntry:
    return IndexEntry(
        str(row["name"]),
        str(row.get("version") or ""),
        str(row.get("state") or ""),
        str(row.get("reason") or ""),
    )
