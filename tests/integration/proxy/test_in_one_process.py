"""A proxy before what answers in the same process."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.certificates import certificates
from harness.envoy import need_envoy
from harness.program import program
from integration.agents.rig import until_said
from integration.gateways.rig import PORTS, chain, client_of, load, times, until, value_of, write
from penstock.core.credentials import Tls
from penstock.core.free_ports import free_ports


@pytest.mark.parametrize("kind", ["embedded", "envoy"])
async def test_up_stands_behind_a_proxy_of_its_own(tmp_path: Path, kind: str) -> None:
    if kind == "envoy":
        need_envoy()
    manifests = write(tmp_path, times("a", 2), chain("p", "a"), times("b", 3, minReplicas=0))
    [port] = free_ports(1)  # where others follow it
    config = f"grpc: {{port: {port}}}\nscheduler: {{autoscaling: {{everyMs: 50, idleMs: 100}}}}\n"
    tls = None
    if kind == "embedded":
        certificates(tmp_path, "server")
        config += "proxy: {listenTls: {certificateFile: server.pem, keyFile: server.key}}\n"
        tls = Tls(tmp_path / "ca.pem")
    (tmp_path / "penstock.yaml").write_text(config, encoding="utf-8")
    words = ("up", "-c", "penstock.yaml", "--proxy", kind, *PORTS, manifests)
    with program(tmp_path, *words) as up:
        up.ready()
        async with (
            client_of(up.addresses["rest"].rpartition("://")[2], "rest", tls) as rest,
            client_of(up.addresses["grpc"].rpartition("://")[2], "grpc", tls) as grpc,
        ):
            await until(rest, "p", lambda said: said == 2.0)
            await until(grpc, "a", lambda said: said == 2.0)
            for client in (rest, grpc):
                await until_said(
                    f"127.0.0.1:{port}",
                    "Model",
                    "b",
                    lambda now: now.get("Scaled", "").startswith("0 c"),
                )
                assert await value_of(client, "b") == 3.0
        follower = ("run", "gateway", "proxy", "--scheduler", f"127.0.0.1:{port}", *PORTS)
        with program(tmp_path / "gateway", *follower) as front:
            front.ready()
            async with client_of(front.grpc) as client, load(client, "p") as asking:
                await asking.goes_on()
                assert asking.failures == []
            front.stop()
        up.stop()
        assert "ERROR" not in up.logged()
