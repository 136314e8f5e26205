"""What the numbers were measured on."""

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("tinygrad-rnn", "numpy", "numba", "scipy", "torch", "jax")
VECTORS = ("avx512f", "avx2", "fma", "asimd")


def facts() -> dict[str, Any]:
    """The processor, its cores and widest instructions, versions, and how busy it is."""
    cpu = cpu_lines()
    flags = (cpu.get("flags") or cpu.get("Features") or "").split()
    return {
        "cpu": cpu.get("model name") or platform.processor() or platform.machine(),
        "vectors": [name for name in VECTORS if name in flags],
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "versions": versions(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


def cpu_lines() -> dict[str, str]:
    """What Linux says of its last core; nothing elsewhere."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    pairs = (line.partition(":") for line in lines)
    return {key.strip(): value.strip() for key, _, value in pairs}


def versions() -> dict[str, str]:
    """Of the packages that are installed."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
