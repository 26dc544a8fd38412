"""The whole of the config file, ``penstock.yaml``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field, PrivateAttr, field_validator, model_validator

from penstock.core.config.section import Section
from penstock.core.config.sections import (
    AgentSection,
    DataflowSection,
    DefaultsSection,
    GatewaySection,
    GrpcSection,
    LimitsSection,
    LoggingSection,
    ProxySection,
    RestSection,
    SchedulerSection,
)
from penstock.core.positions import KeyPath, PositionedDocument, Problem, format_path


class PluginsSection(Section):
    """Which plug-ins stay out, and one section for each plug-in that takes options.

    The plug-ins' sections are known when plug-ins are assembled, by the schemas they register.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, dict[str, Any]] = Field(init=False)

    disable: tuple[str, ...] = Field(
        default=(), description="Names of plug-ins that are not loaded."
    )

    @model_validator(mode="before")
    @classmethod
    def _empty_is_default(cls, value: object) -> object:
        if isinstance(value, dict):
            return {key: {} if inner is None else inner for key, inner in value.items()}
        return value

    @property
    def sections(self) -> dict[str, dict[str, Any]]:
        """The section of each plug-in that has one, as written."""
        return self.__pydantic_extra__


class TransportSection(Section):
    """Which transport carries the streams; beside ``kind`` stand the transport's own options."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Any] = Field(init=False)

    kind: str = Field(default="memory", min_length=1)

    @property
    def options(self) -> dict[str, Any]:
        """The transport's options as written."""
        return self.__pydantic_extra__


class Config(Section):
    """The config file. An empty one, or none, gives the defaults."""

    include: tuple[Path, ...] = Field(
        default=(), description="Manifests (files or folders) that are applied at start-up."
    )
    plugins: PluginsSection = PluginsSection()
    transport: TransportSection = TransportSection()
    rest: RestSection = RestSection()
    grpc: GrpcSection = GrpcSection()
    scheduler: SchedulerSection = SchedulerSection()
    agent: AgentSection = AgentSection()
    gateway: GatewaySection = GatewaySection()
    dataflow: DataflowSection = DataflowSection()
    proxy: ProxySection = ProxySection()
    defaults: DefaultsSection = DefaultsSection()
    limits: LimitsSection = LimitsSection()
    logging: LoggingSection = LoggingSection()

    _document: PositionedDocument | None = PrivateAttr(None)

    @field_validator("*", mode="before")
    @classmethod
    def _empty_is_default(cls, value: object) -> object:
        """``rest:`` with nothing under it is an empty section."""
        return {} if value is None else value

    @property
    def document(self) -> PositionedDocument:
        """The file that the configuration was read from, an empty one where there was none."""
        return self._document or PositionedDocument.empty("<no config file>")

    def read_from(self, document: PositionedDocument, folder: Path) -> Config:
        """This configuration, with paths relative to ``folder`` and the file's positions."""
        config = self.placed(folder)
        config._document = document
        return config

    def problem(
        self, path: KeyPath, message: str, hint: str | None = None, *, of_key: bool = False
    ) -> Problem:
        """Something wrong at ``path``, with its position in the file."""
        position = self.document.position(path, of_key=of_key)
        return Problem(position, format_path(path), message, hint)
