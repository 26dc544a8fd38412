"""The plug-in ``prometheus``: the process's counters as a page that Prometheus reads."""

from penstock.plugins.prometheus.plugin import penstock_api, penstock_register_observers

__all__ = ["penstock_api", "penstock_register_observers"]
