"""A proxy before a scheduler and an agent that speak TLS, and callers that do."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from pathlib import Path

from harness.certificates import certificates
from harness.program import program
from integration.gateways.rig import PATIENCE_S, PORTS, client_of, times, until, value_of, write
from penstock.core.client.control import ControlClient
from penstock.core.client.remote_server import RemoteServer
from penstock.core.contracts.control import ManifestText
from penstock.core.credentials import Tls, ssl_context


def config(folder: Path, pki: Path, role: str) -> Path:
    """A folder whose processes listen with a certificate, and believe its authority."""
    folder.mkdir(exist_ok=True)
    tls = {"certificateFile": str(pki / "server.pem"), "keyFile": str(pki / "server.key")}
    follows = {"tls": {"caFile": str(pki / "ca.pem")}}
    sections: dict[str, object] = {"rest": {"tls": tls}, "grpc": {"tls": tls}, role: follows}
    if role == "proxy":
        sections = {"proxy": {**follows, "listenTls": tls}}
    elif role == "scheduler":
        sections[role] = {}
        sections["plugins"] = {"v2": follows}  # how it calls agents
    (folder / "penstock.yaml").write_text(json.dumps(sections), encoding="utf-8")
    return folder


def status_of(url: str, tls: Tls) -> int:
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE_S, context=ssl_context(tls)) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


async def test_everybody_speaks_tls(tmp_path: Path) -> None:
    pki = certificates(tmp_path, "server")
    tls = Tls(pki / "ca.pem")
    told = ("-c", "penstock.yaml", *PORTS)
    homes = {role: config(tmp_path / role, pki, role) for role in ("scheduler", "agent", "proxy")}
    manifests = write(homes["scheduler"], times("m", 2))
    with program(homes["scheduler"], "run", "scheduler", *told) as scheduler:
        follows = ("--scheduler", scheduler.grpc.removeprefix("grpcs://"))
        with (
            program(homes["agent"], "run", "agent", *told, *follows) as agent,
            program(homes["proxy"], "run", "proxy", *told, *follows) as proxy,
        ):
            text = ManifestText(manifests.read_text(), str(manifests), str(homes["scheduler"]))
            async with ControlClient(RemoteServer.at(scheduler.grpc, tls)) as control:
                await control.reach(PATIENCE_S)
                await control.apply([text], dry_run=False)
            proxy.ready()
            rest = proxy.addresses["rest"]
            async with (
                client_of(rest.removeprefix("https://"), "rest", tls) as over_rest,
                client_of(proxy.grpc.removeprefix("grpcs://"), "grpc", tls) as over_grpc,
            ):
                await until(over_rest, "m", lambda said: said == 2.0)
                await until(over_grpc, "m", lambda said: said == 2.0)
                # What the proxy has no way of its own for, a gateway answers: the scheduler.
                assert status_of(f"{rest}/v2/models/nobody/ready", tls) == 404
                scheduler.kill()
                # And the agent is asked without it.
                assert await value_of(over_rest, "m") == 2.0
                assert await value_of(over_grpc, "m") == 2.0
            await asyncio.to_thread(proxy.stop)  # connections over TLS say goodbye meanwhile
            agent.kill()
