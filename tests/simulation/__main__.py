"""The simulation as a command: ``PYTHONPATH=tests python -m simulation --minutes 60``."""

from __future__ import annotations

import click

from simulation.hunt import hunt
from simulation.shrinking import shrunk, story


@click.command()
@click.option("--seed", default=0, show_default=True, help="The seed of the first run.")
@click.option("--requests", type=int, help="How many requests to run.  [default: 100000]")
@click.option("--minutes", type=float, help="Run for so long, however many that is.")
@click.option("--story", "tells", is_flag=True, help="Tell what happens in the run of the seed.")
def main(seed: int, requests: int | None, minutes: float | None, tells: bool) -> None:
    """Run workers, a broker and producers in a simulated world, and hold them to the laws.

    The first run that breaks a law is made as small as can be, and told as a story.
    """
    if tells:
        # Of one run: what befell it before it was made smaller.
        from simulation.case import drawn
        from simulation.hunt import REQUESTS_OF_A_CASE

        click.echo(story(drawn(seed, REQUESTS_OF_A_CASE)))
        return
    if requests is None:
        requests = 100_000 if minutes is None else 10**12
    seconds = float("inf") if minutes is None else minutes * 60.0
    result = hunt(seed, requests, seconds=seconds)
    click.echo(str(result))
    if result.found is not None:
        click.echo(f"seed {result.found.seed} breaks a law; made small:\n")
        click.echo(story(shrunk(result.found)))
        raise SystemExit(1)


if __name__ == "__main__":
    main(prog_name="python -m simulation")
