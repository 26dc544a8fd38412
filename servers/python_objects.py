"""Finding what ``spec.python`` names, and saying exactly what is wrong when it is not there."""

from __future__ import annotations

import importlib
import pkgutil
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from penstock.core.errors import InvalidRequestError, NotFoundError, PenstockError
from penstock.core.nearest import did_you_mean
from penstock.servers.python_modules import PrivatePackage, PrivatePackages


def find_object(written: str, folders: Sequence[Path], packages: PrivatePackages) -> object:
    """The object of ``module:name``, from the first of ``folders`` that has the module, else from
    the installed packages.

    Raises NotFoundError when module or name is not there, InvalidRequestError when the module
    fails on import; each says where it was looked for, and what comes near.
    """
    module_name, _, path = written.partition(":")
    module = _module(module_name, folders, packages)
    where = module.__file__ or module_name
    found: object = module
    for index, name in enumerate(path.split(".")):
        try:
            found = getattr(found, name)
        except AttributeError:
            owner = where if index == 0 else f"{'.'.join(path.split('.')[:index])} in {where}"
            names = [each for each in dir(found) if not each.startswith("_")]
            raise NotFoundError(
                _sentence(f"{owner} has no '{name}', which '{written}' names", name, names)
            ) from None
    return found


def _module(name: str, folders: Sequence[Path], packages: PrivatePackages) -> ModuleType:
    top = name.partition(".")[0]
    for folder in folders:
        package = packages.package(folder)
        if package.has(top):
            return _import(name, package)
    looked = ", ".join(dict.fromkeys(map(str, folders)))
    try:
        missing = importlib.util.find_spec(top) is None
    except ValueError:
        missing = True
    if missing:
        said = f"there is no module '{top}' in {looked or 'any folder'}, and none is installed"
        raise NotFoundError(_sentence(said, top, _modules_in(list(map(str, folders)))))
    return _import(name, None)


def _import(name: str, package: PrivatePackage | None) -> ModuleType:
    try:
        return importlib.import_module(name) if package is None else package.load(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if package is not None:
            missing = package.public_text(missing)
        if missing and f"{name}.".startswith(f"{missing}."):
            raise _missing(missing, package) from None
        raise _import_error(name, error, package) from error
    except PenstockError:
        raise
    except (Exception, SystemExit) as error:
        raise _import_error(name, error, package) from error


def _missing(name: str, package: PrivatePackage | None) -> NotFoundError:
    parent, _, last = name.rpartition(".")
    said = f"'{parent}' has no module '{last}'" if parent else f"there is no module '{last}'"
    if package is None:
        return NotFoundError(said)
    nearby = _modules_in([str(package.folder.joinpath(*parent.split(".")))])
    return NotFoundError(_sentence(f"{said} in {package.folder}", last, nearby))


def _import_error(
    name: str, error: BaseException, package: PrivatePackage | None
) -> InvalidRequestError:
    # What a SyntaxError says of itself has the place in it, which comes behind this.
    text = error.msg if isinstance(error, SyntaxError) else error
    said = f"module '{name}' fails on import: {type(error).__name__}: {text}"
    if package is None:
        return InvalidRequestError(f"{said} ({raised_at(error)})")
    return InvalidRequestError(
        f"{package.public_text(said)} ({raised_at(error, [package.folder])})"
    )


def raised_at(error: BaseException, folders: Sequence[Path] = ()) -> str:
    """File and line that an error comes from: the last ones in one of ``folders``, if any is."""
    if isinstance(error, SyntaxError) and error.filename is not None:
        return f"{error.filename}, line {error.lineno}"
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<frozen ")
    ]
    inside = [
        frame
        for frame in frames
        if any(Path(frame.filename).is_relative_to(folder) for folder in folders)
        and "site-packages" not in frame.filename
    ]
    if not frames:
        return "nowhere"
    last = (inside or frames)[-1]
    return f"{last.filename}, line {last.lineno}"


def _modules_in(folders: list[str]) -> list[str]:
    return [module.name for module in pkgutil.iter_modules(folders)]


def _sentence(said: str, name: str, candidates: Sequence[str]) -> str:
    hint = did_you_mean(name, candidates)
    return f"{said}; {hint}" if hint else said
