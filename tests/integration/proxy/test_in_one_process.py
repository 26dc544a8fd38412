"""A proxy before what answers in the same process."""

from __future__ import annotations

from pathlib import Path

from harness.certificates import certificates
from harness.program import program
from integration.agents.rig import until_said
from integration.gateways.rig import PORTS, chain, client_of, load, times, until, value_of, write
from integration.proxy.rig import free_port
from penstock.core.credentials import Tls


async def test_up_stands_behind_a_proxy_of_its_own(tmp_path: Path) -> None:
    manifests = write(tmp_path, times("a", 2), chain("p", "a"), times("b", 3, minReplicas=0))
    port = free_port()  # where others follow it
    certificates(tmp_path, "server")
    (tmp_path / "penstock.yaml").write_text(
        f"grpc: {{port: {port}}}\n"
        "proxy: {listenTls: {certificateFile: server.pem, keyFile: server.key}}\n"
        "scheduler: {autoscaling: {everyMs: 50, idleMs: 100}}\n",
        encoding="utf-8",
    )
    tls = Tls(tmp_path / "ca.pem")
    words = ("up", "-c", "penstock.yaml", "--proxy", "embedded", *PORTS, manifests)
    with program(tmp_path, *words) as up:
        up.ready()
        async with (
            client_of(up.addresses["rest"].removeprefix("https://"), "rest", tls) as rest,
            client_of(up.grpc.removeprefix("grpcs://"), "grpc", tls) as grpc,
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
