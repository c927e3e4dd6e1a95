"""Services named on the command line: `module:service`."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from antiphon.errors import ConfigurationError
from antiphon.service import Service


def load_service(name: str) -> Service:
    """Import a service by `module:attribute`, also from the current folder.

    Raises:
        ConfigurationError: the name is malformed, nothing can be imported by it, or what it names
            is no service.
    """
    module_name, separator, attribute = name.partition(":")
    if not separator or not module_name or not attribute:
        raise ConfigurationError(f"{name!r} is not of the form module:service")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not module_name.startswith(error.name):
            raise  # the module is there, and something it needs is not: its traceback says what
        raise ConfigurationError(
            f"no module {module_name!r} can be imported from {here} or the installed packages"
        ) from error
    service = getattr(module, attribute, None)
    if isinstance(service, Service):
        return service
    found = sorted(n for n, value in vars(module).items() if isinstance(value, Service))
    raise ConfigurationError(
        f"{module_name} has no service {attribute!r}; it has: {', '.join(found) or 'none'}"
    )
