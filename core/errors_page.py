"""Makes ``docs/reference/errors.md`` from the error classes and their statuses.

``python -m penstock.core.errors_page FILE`` writes it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from penstock.core.errors import ERROR_TYPES
from penstock.core.statuses import STATUSES

_HEAD: Final = """\
# Errors

Every error has a code, which is stable, and a sentence that a person can act on; one that began in
a step of a pipeline names the step. REST answers

```json
{
  "error": "<sentence>",
  "code": "<code>",
  "request_id": "...",
  "step": "...",
  "details": ["..."]
}
```

and gRPC a status with the same sentence, with the rest as `google.rpc.ErrorInfo` in its details.
The command line prints the same and exits with 1.

| code | HTTP | gRPC | may be tried again | when |
|---|---|---|---|---|
"""

_FOOT: Final = """
`overloaded` comes with `Retry-After`. A model's own 400, 413 and 422 stay what they are; its 404,
429 and 503 become `not-ready` or `overloaded`, so that a missing model does not look like a missing
pipeline.

A `not-ready` that says `"taken": false` (over gRPC in the metadata of the ErrorInfo) tells for
certain that nothing was done of the request: it may be sent to another server at once.

This page is made from the code: `python -m penstock.core.errors_page FILE`.
"""


def errors_page() -> str:
    """The page, as Markdown."""
    rows = []
    for code, kind in ERROR_TYPES.items():
        status = STATUSES[code]
        said = " ".join((kind.__doc__ or "").split())
        again = "yes" if kind.retriable else "no"
        rows.append(f"| `{code}` | {status.http} | {status.grpc} | {again} | {said} |")
    return _HEAD + "\n".join(rows) + "\n" + _FOOT


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(errors_page(), encoding="utf-8")
