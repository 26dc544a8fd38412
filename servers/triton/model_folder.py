"""The folder of a model as Triton wants it: ``config.pbtxt``, and a folder for each version.

Sources of the formats: Triton's documentation, "Model Repository" and "Model Configuration"
(https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from penstock.core.contracts.model import ModelSpec
from penstock.core.errors import InvalidRequestError
from penstock.servers.child.repository import artifacts_of, link_all
from penstock.servers.triton.model_config import config_of, renamed, with_parameters

CONFIG_FILE: Final = "config.pbtxt"


def write_folder(spec: ModelSpec, name: str, folder: Path) -> None:
    """Fill ``folder``, whose name Triton knows the model by.

    Artifacts are a folder of Triton's (with numbered folders), or what belongs into one of those.
    Raises InvalidRequestError for what cannot be told to Triton.
    """
    artifacts = artifacts_of(spec, "Triton")
    if _has_versions(artifacts):
        link_all(artifacts, folder, but=frozenset((CONFIG_FILE,)))
    else:
        (folder / "1").mkdir()
        link_all(artifacts, folder / "1", but=frozenset((CONFIG_FILE,)))
    written = _written_config(artifacts)
    if written is None:
        config = config_of(spec, name)
    else:
        try:
            config = renamed(written.read_text(encoding="utf-8"), name)
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidRequestError(f"{written} cannot be read: {error}") from error
    (folder / CONFIG_FILE).write_text(with_parameters(config, spec.parameters), encoding="utf-8")


def _has_versions(artifacts: Path) -> bool:
    return artifacts.is_dir() and any(
        each.name.isdigit() and each.is_dir() for each in artifacts.iterdir()
    )


def _written_config(artifacts: Path) -> Path | None:
    """The configuration that comes with the artifacts; beside them where they are one numbered
    folder of a model (spec.artifactVersion)."""
    places = [artifacts / CONFIG_FILE]
    if artifacts.name.isdigit():
        places.append(artifacts.parent / CONFIG_FILE)
    return next((each for each in places if each.is_file()), None)
