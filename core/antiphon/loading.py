"""What is named on the command line: modules, and services as `module:service`."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from antiphon.errors import ConfigurationError

if TYPE_CHECKING:
    from antiphon.service import Service


def load_service(name: str) -> Service:
    """Import a service by `module:attribute`, also from the current folder.

    Raises:
        ConfigurationError: the name is malformed, nothing can be imported by it, or what it names
            is no service.
    """
    from antiphon.service import Service  # noqa: PLC0415  who loads modules only needs no FastStream

    module_name, separator, attribute = name.partition(":")
    if not separator or not module_name or not attribute:
        raise ConfigurationError(f"{name!r} is not of the form module:service")
    module = load_module(module_name)
    service = getattr(module, attribute, None)
    if isinstance(service, Service):
        return service
    found = sorted(n for n, value in vars(module).items() if isinstance(value, Service))
    raise ConfigurationError(
        f"{module_name} has no service {attribute!r}; it has: {', '.join(found) or 'none'}"
    )


def load_module(name: str) -> ModuleType:
    """Import a module, also from the current folder.

    Raises:
        ConfigurationError: there is none of that name.
    """
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not name.startswith(error.name):
            raise  # the module is there, and something it needs is not: its traceback says what
        raise ConfigurationError(
            f"no module {name!r} can be imported from {here} or the installed packages"
        ) from error
