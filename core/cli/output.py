"""What commands print: for people on a terminal, or as JSON for programs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypeVar

import click
import orjson

from penstock.core.errors import PenstockError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

Form: TypeAlias = Literal["text", "json"]
F = TypeVar("F", bound=Callable[..., Any])

UNLIMITED: Final = 10_000
"""Columns of a line that no terminal shows; rich wants a number."""

_KEY = "penstock.output"


def output_option(function: F) -> F:
    """``-o json``, which every command takes, as the whole command line does."""

    def remember(context: click.Context, _: click.Parameter, value: Form | None) -> None:
        if value is not None:
            context.meta[_KEY] = value

    option = click.option(
        "-o",
        "--output",
        type=click.Choice(["text", "json"]),
        callback=remember,
        expose_value=False,
        help="Print text for people, or JSON.",
    )
    return option(function)


def asked_for(arguments: Sequence[str]) -> Form:
    """The form that the words of a command line ask for, also where they cannot be parsed."""
    for word, following in pairwise([*arguments, ""]):
        if word in ("-ojson", "--output=json") or (
            word in ("-o", "--output") and following == "json"
        ):
            return "json"
    return "text"


class Output:
    """Prints results on standard output and errors on standard error."""

    def __init__(self, form: Form) -> None:
        self.form = form

    @classmethod
    def current(cls) -> Output:
        """The output that the running command was asked for."""
        return cls(click.get_current_context().meta.get(_KEY, "text"))

    @property
    def is_json(self) -> bool:
        """Whether a program reads it."""
        return self.form == "json"

    @cached_property
    def console(self) -> Console:
        """Where text goes; plain where it is no terminal, or NO_COLOR is set."""
        from rich.console import Console

        console = Console(highlight=False, soft_wrap=True)
        if not console.is_terminal:
            # Else it takes 80 columns for the most that may be asked for.
            console.width = UNLIMITED
        return console

    def json(self, document: object) -> None:
        """Print a document, indented."""
        text = orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY)
        click.echo(text)

    def event(self, document: object) -> None:
        """Print a document on one line, for those who read while more is to come."""
        click.echo(orjson.dumps(document))

    def tree(self, view: RenderableType) -> None:
        """Print what has lines of its own; on a terminal they are folded to its width."""
        width = None if self.console.is_terminal else UNLIMITED
        with self.console.capture() as captured:
            self.console.print(view, width=width, soft_wrap=False)
        for line in captured.get().splitlines():
            click.echo(line.rstrip())

    def table(
        self,
        headings: Sequence[str],
        rows: Iterable[Sequence[RenderableType]],
        unfolded: Sequence[str] = (),
    ) -> None:
        """Print rows under headings; on a terminal cells are folded to its width, but for those of
        columns that people copy from."""
        from rich.table import Table

        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading in headings:
            table.add_column(heading, overflow="fold", no_wrap=heading in unfolded)
        for row in rows:
            table.add_row(*row)
        if self.console.is_terminal:
            self.console.print(table)
            return
        with self.console.capture() as captured:
            self.console.print(table, width=UNLIMITED)
        for line in captured.get().splitlines():
            click.echo(line.rstrip())

    def error(self, error: PenstockError) -> None:
        """Print an error: the sentence, what else there is to say of it, and the code."""
        if self.is_json:
            document: dict[str, object] = {"error": error.message, "code": error.code}
            if error.step is not None:
                document["step"] = error.step
            if error.details:
                document["details"] = list(error.details)
            click.echo(orjson.dumps(document), err=True)
            return
        from rich.console import Console
        from rich.text import Text

        console = Console(stderr=True, highlight=False, soft_wrap=True)
        line = Text("error: ", style="bold red").append(Text(error.message, style="default"))
        where = f" [{error.code}]" if error.step is None else f" [{error.code}, step {error.step}]"
        console.print(line.append(Text(where, style="dim")))
        for detail in error.details:
            if detail != error.message:
                console.print(Text(f"  {detail}"))

    def usage(self, error: click.UsageError) -> None:
        """Print what was wrong with the use of a command."""
        if self.is_json:
            document = {"error": error.format_message(), "code": "invalid-request"}
            click.echo(orjson.dumps(document), err=True)
        else:
            error.show(sys.stderr)
