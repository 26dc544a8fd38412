"""``penstock up`` in a process of its own, as people start it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.program import program


@contextmanager
def penstock_up(
    folder: Path, *manifests: Path, config: str | None = None, workers: int | None = None
) -> Iterator[dict[str, str]]:
    """The addresses (``rest``, ``grpc``) of a server in ``folder`` that has everything ready.

    ``config`` is the text of its config file, ``workers`` how many processes serve. Fails when it
    does not get ready, or does not stop in peace at the end.
    """
    words = ["up", "--rest-port", "0", "--grpc-port", "0"]
    if workers is not None:
        words += ["--workers", str(workers)]
    if config is not None:
        (folder / "penstock.yaml").write_text(config)
        words += ["-c", "penstock.yaml"]
    with program(folder, *words, *manifests) as up:
        up.ready()
        yield up.addresses
        up.stop()
