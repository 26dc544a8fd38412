"""What people may ask of the one process that they ask."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from penstock.core.contracts.inquiries import (
    FROM_NOW_ON,
    Begin,
    Document,
    Inquiries,
    Search,
    Tapped,
)
from penstock.core.journal.desk import InquiryDesk, nothing_before


class OwnInquiries(Inquiries):
    """Answers from the desk of this process."""

    def __init__(self, desk: InquiryDesk) -> None:
        self._desk = desk

    async def inspect(self, identity: str) -> Document:
        return self._desk.inspect(identity)

    async def export(self, identity: str) -> bytes:
        return await self._desk.export(identity)

    async def find(self, search: Search) -> list[Document]:
        return self._desk.find(search)

    async def tap(
        self,
        port: str,
        *,
        everything: bool,
        state: str | None,
        most: int,
        begin: Begin = FROM_NOW_ON,
    ) -> AsyncGenerator[Tapped]:
        if begin != FROM_NOW_ON:
            raise nothing_before(port)
        return self._desk.tap(port, everything=everything, state=state, most=most)

    async def letters(self, *, pipeline: str | None = None, most: int = 20) -> list[Document]:
        return self._desk.letters(pipeline=pipeline, most=most)

    async def letter(self, number: int) -> Document:
        return self._desk.letter(number)

    async def send_again(self, number: int) -> str:
        return self._desk.send_again(number)
