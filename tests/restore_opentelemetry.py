"""Puts files of opentelemetry-proto right that xds-protos has overwritten.

Both distributions have ``opentelemetry/proto``, that of xds-protos an old one, and whichever is
installed last stays. What Envoy is told needs neither. See docs/how-to/envoy.md.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version

NAME = "opentelemetry-proto"


def main() -> int:
    """Install the version again that is there."""
    try:
        wanted = f"{NAME}=={version(NAME)}"
    except PackageNotFoundError:
        return 0
    pip = [sys.executable, "-m", "pip", "install", "-q", "--force-reinstall", "--no-deps", wanted]
    return subprocess.run(pip, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
