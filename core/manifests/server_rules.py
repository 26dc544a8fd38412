"""What is refused of one server on its own, beyond the kinds of its fields."""

from __future__ import annotations

from penstock.core.manifests.findings import Finding
from penstock.core.resources import Server


def findings_of_server(server: Server) -> list[Finding]:
    """Everything that is wrong with ``server`` on its own."""
    findings = []
    spec = server.spec
    if spec.overcommit_percent and spec.memory is None:
        findings.append(
            Finding(
                ("spec", "overcommitPercent"),
                "how much more than there is room for nobody knows without spec.memory",
                "write spec.memory, the room for models on each replica",
            )
        )
    return findings
