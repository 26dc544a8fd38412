"""The config file: typed sections, and how it is read."""

from penstock.core.config.config import Config, PluginsSection, TransportSection
from penstock.core.config.load import examine_config, load_config
from penstock.core.config.section import Section
from penstock.core.config.sections import (
    DefaultsSection,
    GrpcSection,
    LimitsSection,
    LoggingSection,
    RestSection,
    unix_path,
)

__all__ = [
    "Config",
    "DefaultsSection",
    "GrpcSection",
    "LimitsSection",
    "LoggingSection",
    "PluginsSection",
    "RestSection",
    "Section",
    "TransportSection",
    "examine_config",
    "load_config",
    "unix_path",
]
