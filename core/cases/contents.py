"""The contents of tensors in a case file, each once, whatever ports show them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from penstock.core.cases.documents import TensorDocument
from penstock.core.errors import InvalidRequestError
from penstock.core.tensors import Tensor

FOLDER: Final = "tensors/"


class ContentsWriter:
    """Numbers contents; ``files`` has them by their name in the archive."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self._names: dict[int, str] = {}

    def document(self, tensor: Tensor, withheld: str | None) -> TensorDocument:
        """The tensor, its contents put among the files."""
        contents = None
        if withheld is None and tensor.has_contents:
            contents = self._names.get(tensor.contents_id)
            if contents is None:
                contents = f"{FOLDER}{len(self.files) + 1}.bin"
                self._names[tensor.contents_id] = contents
                self.files[contents] = tensor.tobytes()
                # Packing BYTES gives the tensor other contents, of another identity.
                self._names[tensor.contents_id] = contents
        return TensorDocument(
            name=tensor.name,
            datatype=tensor.datatype,
            shape=list(tensor.shape),
            parameters=dict(tensor.parameters),
            contents=contents,
            withheld=withheld,
        )


def tensor_of(document: TensorDocument, files: Mapping[str, bytes]) -> Tensor:
    """The tensor in a document; without contents where the file has none.

    Raises InvalidRequestError when they do not fit, or are not there.
    """
    shape = tuple(document.shape)
    if document.contents is None:
        if document.name and 0 not in shape:
            return Tensor(document.name, document.datatype, shape, b"", document.parameters)
        return Tensor.checked(document.name, document.datatype, shape, b"", document.parameters)
    data = files.get(document.contents)
    if data is None:
        raise InvalidRequestError(
            f"tensor '{document.name}': the archive has no '{document.contents[:80]}'"
        )
    return Tensor.checked(document.name, document.datatype, shape, data, document.parameters)
