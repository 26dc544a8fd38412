"""Reading the config file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from penstock.core.config.config import Config
from penstock.core.config.environment import resolve_environment
from penstock.core.errors import InvalidRequestError, NotFoundError
from penstock.core.positions import (
    PositionedDocument,
    Problem,
    ProblemsError,
    problems_of_validation,
    read_documents,
)


def load_config(path: Path | None, *, environment: Mapping[str, str] | None = None) -> Config:
    """The configuration in the file at ``path``; the defaults when there is no path.

    Raises ProblemsError with everything that is wrong with the file, NotFoundError when there is
    no such file. The sections of plug-ins are checked when plug-ins are assembled.
    """
    config, problems = examine_config(path, environment=environment)
    if problems:
        raise ProblemsError(problems)
    return config


def examine_config(
    path: Path | None, *, environment: Mapping[str, str] | None = None
) -> tuple[Config, list[Problem]]:
    """The configuration, and what is wrong with it.

    Sections with problems have their defaults, so that the rest can be looked at as well. Raises
    ProblemsError for a text that is no YAML mapping, NotFoundError when there is no such file.
    """
    if path is None:
        return Config(), []
    written = _document(path)
    environment = os.environ if environment is None else environment
    document, problems = resolve_environment(written, environment)
    data = document.data if isinstance(document.data, dict) else {}
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        unset = {problem.path for problem in problems}
        found = problems_of_validation(error, document, Config)
        problems += [problem for problem in found if problem.path not in unset]
        broken = {details["loc"][0] for details in error.errors(include_url=False)}
        config = Config.model_validate({k: v for k, v in data.items() if k not in broken})
    problems += _missing_manifests(config, document, path.parent)
    return config.read_from(document, path.parent), problems


def _document(path: Path) -> PositionedDocument:
    """The one document in the file."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no config file '{path}'") from error
    except UnicodeDecodeError as error:
        raise InvalidRequestError(
            f"the config file '{path}' is not UTF-8 text: {error.reason} at byte {error.start}"
        ) from error
    except OSError as error:
        raise InvalidRequestError(
            f"the config file '{path}' cannot be read: {error.strerror}"
        ) from error
    documents = read_documents(text, str(path))
    if not documents:
        return PositionedDocument.empty(str(path))
    document, *others = documents
    problems = [
        Problem(other.position(()), "", "a config file holds one document", "remove the '---'")
        for other in others
    ]
    if not isinstance(document.data, dict):
        problems.append(
            Problem(document.position(()), "", "a config file holds a mapping of keys to values")
        )
    if problems:
        raise ProblemsError(problems)
    return document


def _missing_manifests(config: Config, document: PositionedDocument, folder: Path) -> list[Problem]:
    return [
        Problem(
            document.position(("include", index)),
            f"include[{index}]",
            f"there is no file or folder '{manifest}'",
            f"it is looked for in '{folder}'",
        )
        for index, manifest in enumerate(config.include)
        if not (folder / manifest).exists()
    ]
