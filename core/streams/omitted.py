"""What is left of a record that is too large for its stream."""

from __future__ import annotations

from penstock.core.records import Absent, Failed, Record
from penstock.core.streams.headers import OMITTED_HEADER
from penstock.core.tensors import Tensor


def without_tensors(record: Record) -> Record:
    """Headers and signature; the header ``penstock-omitted`` says what is missing.

    Comes back with ``record`` itself where there is nothing to leave out, or nothing any more.
    """
    body = record.body
    if record.undecoded is not None:
        value = record.undecoded.value or b""
        headers = {**record.headers, OMITTED_HEADER: str(len(value))}
        return record._replace(undecoded=None, headers=headers)
    if isinstance(body, Absent | Failed) or OMITTED_HEADER in record.headers:
        return record
    omitted = sum(tensor.nbytes for tensor in body)
    signature = tuple(Tensor(each.name, each.datatype, each.shape, b"") for each in body)
    return record._replace(body=signature, headers={**record.headers, OMITTED_HEADER: str(omitted)})
