"""What a record becomes on its way from one pipeline to another."""

from __future__ import annotations

from penstock.core.records import Body, Failed


def crossed(body: Body, pipeline: str) -> Body:
    """A record as another pipeline sees it: a failure says whose step it began in."""
    if not isinstance(body, Failed):
        return body
    step = pipeline if body.step is None else body.step
    if body.step is not None and "." not in body.step:  # else it has crossed already
        step = f"{pipeline}.step.{body.step}"
    return Failed(body.code, body.reason, step)
