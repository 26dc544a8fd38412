"""The options of the plug-in ``venv``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from penstock.core.config import Section
from penstock.core.config.sections import MIB, Bound
from penstock.core.resources.quantity import Bytes
from penstock.servers.call_options import MaxWaiting

Word = Annotated[str, Field(min_length=1)]


class VenvOptions(Section):
    """The environment that models run in, and how they are called there."""

    python: Path | None = Field(
        default=None,
        description="The Python of an environment that is there, as /path/to/venv/bin/python; with "
        "requirements the one that the environment is made with.",
    )
    requirements: tuple[Word, ...] = Field(
        default=(),
        description="What is installed into an environment that is made for these models, as pip "
        "takes it; an option of pip's, as --extra-index-url ADDRESS, may stand among them.",
    )
    requirements_file: Path | None = Field(
        default=None, description="A file of more requirements, as pip takes it."
    )
    processes: Literal["model", "shared"] = Field(
        default="model",
        description="A process for each version of a model, or one that all models share.",
    )
    environment: Mapping[Word, str] = Field(
        default_factory=dict, description="Environment variables of the processes."
    )
    capabilities: tuple[Word, ...] = Field(
        default=(),
        description="The words that models may write under requirements, in place of the names of "
        "the packages that are found in the environment.",
    )
    async_concurrency: Bound = Field(
        default=256,
        description="Calls of one async model at a time, where its manifest sets no concurrency.",
    )
    max_waiting: MaxWaiting = 256
    shared_memory: Bytes = Field(
        default=64 * MIB,
        description="Memory of each process through which large tensors go, 0 for none; what does "
        "not fit goes through a socket.",
    )
    start_timeout_s: float = Field(
        default=120.0, gt=0.0, description="Time for a process to come up."
    )
    load_timeout_s: float = Field(
        default=300.0, gt=0.0, description="Time for a model to be loaded."
    )
    stop_timeout_s: float = Field(
        default=10.0,
        gt=0.0,
        description="Time for calls that were given up, and for a process, to end.",
    )
    look_s: float = Field(
        default=2.0, gt=0.0, description="How often a process is looked at for calls that hang."
    )
    hang_s: float = Field(
        default=30.0,
        gt=0.0,
        description="How long after its deadline a call hangs before its process is killed.",
    )
