"""Certificates that are made for a test and last for two days."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

import pytest

HERE: Final = "DNS:localhost,IP:127.0.0.1"


def certificates(folder: Path, *names: str, place: str = HERE) -> Path:
    """``folder`` with an authority (``ca.pem``) and what it signed, ``<name>.pem`` and
    ``<name>.key`` each, for the machine that runs the test, or another ``place``."""
    new = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2")
    _openssl(folder, *new, "-subj", "/CN=ca", "-keyout", "ca.key", "-out", "ca.pem")
    for name in names:
        signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-addext", f"subjectAltName={place}")
        files = ("-keyout", f"{name}.key", "-out", f"{name}.pem")
        _openssl(folder, *new, "-subj", f"/CN={name}", *signed, *files)
    return folder


def _openssl(folder: Path, *words: str) -> None:
    try:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no openssl to make certificates with")
