"""Makes ``docs/reference/hooks.md`` from the hook specifications.

``python -m penstock.core.plugins.reference_page FILE`` writes it.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from penstock.core.plugins import specification
from penstock.core.plugins.inspection import specified_hooks
from penstock.core.plugins.kinds import KINDS
from penstock.core.plugins.names import API_VERSION, ENTRY_POINT_GROUP

_HEAD: Final = f"""\
# Hooks

A plug-in is a module, or an instance of a class, with functions that are marked with
`@penstock.hookimpl` and named as the hooks below, and with `penstock_api = {API_VERSION}`. Its
distribution names it in the entry point group `{ENTRY_POINT_GROUP}`; the name of the entry is the
name of the plug-in:

```toml
[project.entry-points.{ENTRY_POINT_GROUP}]
majority = "penstock_majority"
```

A hook's function takes the arguments that it needs, by their names. An entry point with an extra,
as `"module [sklearn]"`, is *unavailable*, and no error, while that extra's packages are missing.

This page is made from the code: `python -m penstock.core.plugins.reference_page FILE`.
"""


def reference_page() -> str:
    """The page, as Markdown."""
    kinds = {kind.hook: kind for kind in KINDS}
    parts = [_HEAD, _prose(specification).partition("\n\n")[2]]
    for name, function in specified_hooks().items():
        parts += [f"## {name}", f"```python\n{_signature(name, function)}\n```", _prose(function)]
        if name in kinds:
            contract = kinds[name].contract
            parts.append(f"Contract: `{contract.__module__}.{contract.__qualname__}`")
            if kinds[name].awaits is not None:
                parts.append(
                    f"What is registered is made known and checked, and not used yet: that comes "
                    f"with {kinds[name].awaits}. Start-up warns of it."
                )
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _signature(name: str, function: Callable[..., object]) -> str:
    # The annotations are text, as they stand in the code.
    signature = inspect.signature(function)
    arguments = ", ".join(f"{p.name}: {p.annotation}" for p in signature.parameters.values())
    return f"def {name}({arguments}) -> {signature.return_annotation}"


def _prose(documented: object) -> str:
    return (inspect.getdoc(documented) or "").replace("``", "`")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(reference_page(), encoding="utf-8")
