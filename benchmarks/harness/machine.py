"""Facts about the machine and the versions, without which a figure says little."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.harness.environments import Place
from benchmarks.harness.paths import BENCHMARKS, REPOSITORY
from benchmarks.harness.peers import Peer


def machine() -> dict[str, Any]:
    """What the servers run on."""
    return {
        "cpu": _field(Path("/proc/cpuinfo"), "model name") or platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory": _field(Path("/proc/meminfo"), "MemTotal"),
        "kernel": platform.release(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "virtual": "hypervisor" in (_field(Path("/proc/cpuinfo"), "flags") or ""),
        "gcc": _first_line(["gcc", "--version"]),
        "commit": _first_line(["git", "-C", str(REPOSITORY), "describe", "--always", "--dirty"]),
    }


def versions(peers: Iterable[Peer], places: dict[str, Place]) -> dict[str, str]:
    """The version of every distribution that the peers name, as ``environment: name``."""
    found = {}
    for environment in sorted({peer.environment for peer in peers}):
        names = sorted({name for peer in peers if peer.environment == environment for name in peer.packages})
        place = places[environment]
        if environment == "node":
            found["node"] = _first_line(["node", "--version"])
            for name in names:
                package = BENCHMARKS / "node_modules" / name / "package.json"
                found[f"node: {name}"] = _field(package, '"version"').strip('", ')
        elif names and not place.problem:
            found |= _python_versions(environment, place, names)
    return found


def _python_versions(environment: str, place: Place, names: list[str]) -> dict[str, str]:
    code = (
        "import sys\nfrom importlib.metadata import version\n"
        "for name in sys.argv[1:]:\n"
        "    try: print(name, version(name))\n"
        "    except Exception: print(name, 'missing')\n"
    )
    command = [str(place.bin / "python"), "-c", code, *names]
    printed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    pairs = (line.split() for line in printed.splitlines())
    return {f"{environment}: {name}": version for name, version in pairs}


def _field(path: Path, name: str) -> str:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return ""
    line = next((line for line in lines if line.strip().startswith(name)), "")
    return line.partition(":")[2].strip()


def _first_line(command: list[str]) -> str:
    try:
        printed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except OSError:
        return ""
    return printed.partition("\n")[0].strip()
