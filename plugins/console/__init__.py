"""The plug-in ``console``: pages for a browser that show pipelines, models and requests."""

from penstock.plugins.console.plugin import (
    penstock_api,
    penstock_register_config,
    penstock_register_observers,
    penstock_started,
)

__all__ = [
    "penstock_api",
    "penstock_register_config",
    "penstock_register_observers",
    "penstock_started",
]
