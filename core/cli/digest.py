"""``penstock digest``."""

from __future__ import annotations

from pathlib import Path

import click

from penstock.core.cli.output import Output, output_option


@click.command("digest")
@click.argument("path", type=click.Path(path_type=Path, exists=True))
@output_option
def digest_command(path: Path) -> None:
    """Print the digest of the file or folder at PATH, as manifests declare it.

    It goes into spec.artifactDigest of a model: artifacts that are anything else are not loaded.
    """
    from penstock.core.artifacts import digest_of

    digest = digest_of(path)
    output = Output.current()
    if output.is_json:
        output.json({"path": str(path), "digest": digest})
    else:
        click.echo(digest)
