"""The simulation of leases as a command: ``PYTHONPATH=tests python -m unit.kafka.leases``."""

from __future__ import annotations

import click

from unit.kafka.leases.schedules import anything


@click.command()
@click.option("--seed", default=0, show_default=True, help="The seed of the first schedule.")
@click.option("--schedules", default=1_000, show_default=True, help="How many to run.")
def main(seed: int, schedules: int) -> None:
    """Run members in a simulated world where anything happens, and hold them to the laws."""
    worst_ms = 0.0
    broken = 0
    for each in range(seed, seed + schedules):
        try:
            worst_ms = max(worst_ms, anything(each))
        except Exception as error:
            broken += 1
            click.echo(f"seed {each} breaks a law: {type(error).__name__}: {error}")
    click.echo(f"{schedules:,} schedules, {broken} broke a law; a death took {worst_ms:,.0f} ms")
    raise SystemExit(1 if broken else 0)


if __name__ == "__main__":
    main(prog_name="python -m unit.kafka.leases")
