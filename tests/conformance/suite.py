"""The suite itself: found or made in a cache folder, run against an address, its report read."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.servers import REPOSITORY

VERSION = "25.10.1"
CACHE = REPOSITORY / ".cache" / "autobahn"
CASES = 517
TIME = 3600

REMEDY = """The Autobahn test suite runs on Python 2.7 only, and there is none here.
Install one and run `make conformance` again:
    pyenv install 2.7.18
or say where it is:
    make conformance PYTHON2=/path/to/python2.7"""


class Unavailable(Exception):
    """The suite cannot be run; the text says why and what to do."""


def python2(environment: Mapping[str, str] = os.environ) -> Path:
    """A Python 2.7: `PYTHON2`, or else one on the path, or one of pyenv.

    Raises:
        Unavailable: There is none, or `PYTHON2` is none.
    """
    pyenv = Path(environment.get("PYENV_ROOT") or Path(environment.get("HOME", "/")) / ".pyenv")
    candidates = [shutil.which("python2.7", path=environment.get("PATH"))]
    candidates += [str(each) for each in sorted(pyenv.glob("versions/2.7.*/bin/python2.7"), reverse=True)]
    if asked_for := environment.get("PYTHON2"):
        candidates = [asked_for]
    for candidate in filter(None, candidates):
        # pyenv puts a program of that name on the path that only says that it is not installed.
        asked = [candidate, "-c", "import sys; sys.exit(sys.version_info[:2] != (2, 7))"]
        if (
            shutil.which(candidate)
            and subprocess.run(asked, capture_output=True, check=False).returncode == 0
        ):
            return Path(candidate)
    raise Unavailable(REMEDY)


def wstest() -> Path:
    """The program of the suite; installed when it is not there.

    Raises:
        Unavailable: It cannot be installed.
    """
    folder = CACHE / f"suite-{VERSION}"
    program = folder / "bin" / "wstest"
    done = folder / "complete"
    if done.exists():
        return program
    python = python2()
    shutil.rmtree(folder, ignore_errors=True)
    print(f"Installing autobahntestsuite {VERSION} with {python}.", flush=True)
    maker = CACHE / "virtualenv"
    if not (maker / "bin" / "virtualenv").exists():
        _run(sys.executable, "-m", "venv", maker)
        # The last ones that make environments of Python 2.7.
        _run(maker / "bin" / "pip", "install", "--quiet", "virtualenv<20.22")
    _run(maker / "bin" / "virtualenv", "--quiet", "--python", python, folder)
    _run(folder / "bin" / "pip", "install", "--quiet", f"autobahntestsuite=={VERSION}")
    done.touch()
    return program


def _run(*command: str | Path) -> None:
    # Folders of wheels for a newer Python are of no use to this one.
    environment = {**os.environ, "PIP_FIND_LINKS": "", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        raise Unavailable(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")


def start(agent: str, url: str, cases: list[str], folder: Path) -> subprocess.Popen[bytes]:
    """Begin to run cases against a server; what is printed goes to a file in the folder."""
    folder.mkdir(parents=True)
    specification = folder / "specification.json"
    servers = [{"agent": agent, "url": url}]
    specification.write_text(
        json.dumps(
            {
                "outdir": str(folder / "report"),
                "servers": servers,
                "cases": cases,
                "exclude-cases": [],
                "exclude-agent-cases": {},
            }
        )
    )
    with (folder / "output").open("wb") as output:
        command = [wstest(), "-m", "fuzzingclient", "-s", specification]
        return subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT)


def results(agent: str, folder: Path) -> dict[str, dict[str, Any]]:
    """What the suite found, by case; its exit status says nothing.

    Raises:
        Unavailable: It left no report.
    """
    index = folder / "report" / "index.json"
    if not index.exists():
        raise Unavailable(f"the suite left no report; it printed:\n{(folder / 'output').read_text()}")
    found: dict[str, dict[str, Any]] = json.loads(index.read_text())[agent]
    return found
