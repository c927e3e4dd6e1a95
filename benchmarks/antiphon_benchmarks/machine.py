"""The machine and the versions a result belongs to."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

PACKAGES = ("antiphon", "faststream", "redis", "hiredis", "pydantic", "orjson", "structlog")


def machine_facts() -> dict[str, str]:
    """Return what a reader needs to compare two machines."""
    load = ", ".join(f"{average:.2f}" for average in psutil.getloadavg())
    return {
        "processor": _processor(),
        "cores": str(len(psutil.Process().cpu_affinity()) if _has_affinity() else os.cpu_count()),
        "memory": f"{psutil.virtual_memory().total / 2**30:.1f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load before": load,
    }


def package_versions() -> dict[str, str]:
    """Return the installed version of every package that has a part in the result."""
    return {package: _version(package) for package in PACKAGES}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "from the source tree"


def _has_affinity() -> bool:
    return hasattr(psutil.Process, "cpu_affinity")


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
