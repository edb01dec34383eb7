"""The packages that drivers stand on, imported when they are first needed."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from antiphon.errors import DriverLibraryNotFound


def library(module: str, package: str) -> ModuleType:
    """Import a service's package.

    Args:
        module: The module, as ``"ably.sync"``.
        package: The package that holds it, which is also the name of our extra.

    Raises:
        DriverLibraryNotFound: It is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise DriverLibraryNotFound(
            f'Could not find the "{package}" library. Install it with pip install "antiphon[{package}]", or '
            f"pip install {package}"
        ) from error
