"""The simulation of leases as a command: ``PYTHONPATH=tests python -m unit.kafka.leases``."""

from __future__ import annotations

import click

from unit.kafka.leases.hunt import hunt, story


@click.command()
@click.option("--seed", default=0, show_default=True, help="The seed of the first run.")
@click.option("--runs", default=10_000, show_default=True, help="How many to run.")
def main(seed: int, runs: int) -> None:
    """Run members in a simulated world where anything happens, and hold them to the laws.

    The first run that breaks a law is told as a story.
    """
    result = hunt(seed, runs)
    click.echo(f"{result.cases:,} runs; the longest a death took was {result.longest_ms:,.0f} ms")
    if result.found is not None:
        click.echo(f"seed {result.found} breaks a law:\n\n{story(result.found)}")
        raise SystemExit(1)


if __name__ == "__main__":
    main(prog_name="python -m unit.kafka.leases")
