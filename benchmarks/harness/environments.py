"""What the servers need: virtual environments, Node packages, compiled programs, a certificate.

Each is made once and again when its list changes. What cannot be had is a `problem` that ends up in the
table; it never stops the rest.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.harness.paths import BENCHMARKS, BUILD, LOAD, SERVERS
from benchmarks.harness.peers import Environment

LOAD_PROGRAM = BUILD / "load"
CERT, KEY = BUILD / "cert.pem", BUILD / "key.pem"


class Unavailable(Exception):
    """Something cannot be had; the text says what, and what to do."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the programs of an environment are.

    Attributes:
        bin: Folder of its programs.
        problem: Why it is not there.
        missing: Packages that could not be installed, and why.
    """

    bin: Path = Path("/usr/bin")
    problem: str | None = None
    missing: dict[str, str] = field(default_factory=dict)


def prepare(environment: Environment) -> Place:
    """Make an environment, unless it is made already."""
    try:
        if environment == "ours":
            return Place(Path(sys.executable).parent)
        if environment == "node":
            return _node()
        if environment == "c":
            _compile(BUILD / "c_server", [SERVERS / "c_server.c"], ["-O2"])
            return Place(BUILD)
        return _virtual_environment(environment)
    except Unavailable as problem:
        return Place(problem=str(problem))


def load_generator() -> bool:
    """Compile the load generator; return whether it speaks TLS.

    Raises:
        Unavailable: There is no compiler, or no zlib.
    """
    sources = sorted(LOAD.glob("*.c"))
    try:
        _compile(LOAD_PROGRAM, sources, ["-O2", "-DWITH_TLS"], ["-lz", "-lssl", "-lcrypto"])
    except Unavailable:
        try:
            _compile(LOAD_PROGRAM, sources, ["-O2"], ["-lz"])
        except Unavailable as problem:
            raise Unavailable(f"{problem} It needs zlib's headers (Debian: zlib1g-dev).") from None
        return False
    return True


def certificate() -> None:
    """Make a certificate for this machine's loopback.

    Raises:
        Unavailable: There is no openssl program.
    """
    if CERT.exists() and time.time() - CERT.stat().st_mtime < 20 * 24 * 3600:
        return
    BUILD.mkdir(exist_ok=True)
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30"]
    _run(
        "making a certificate",
        [*request, "-subj", "/CN=localhost", "-keyout", str(KEY), "-out", str(CERT)],
    )


def _compile(
    program: Path, sources: Sequence[Path], options: Sequence[str], libraries: Sequence[str] = ()
) -> None:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise Unavailable("There is no C compiler: install gcc (Debian: apt-get install gcc libc6-dev).")
    inputs = [*sources, *LOAD.glob("*.h")]
    stamp = program.with_suffix(".options")
    wanted = " ".join([*options, *libraries])
    newest = max(each.stat().st_mtime for each in inputs)
    if program.exists() and program.stat().st_mtime > newest and _text_of(stamp) == wanted:
        return
    BUILD.mkdir(exist_ok=True)
    flags = ["-std=gnu17", "-Wall", "-Wextra", "-D_GNU_SOURCE", *options]
    files = [str(each) for each in sources]
    _run(f"compiling {program.name}", [compiler, *flags, "-o", str(program), *files, *libraries])
    stamp.write_text(wanted)


def _node() -> Place:
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise Unavailable(f"There is no {program} (Debian: apt-get install nodejs npm).")
    stamp = BENCHMARKS / "node_modules" / ".installed"
    wanted = _digest(BENCHMARKS / "package.json")
    if _text_of(stamp) != wanted:
        _run("installing Node packages", ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock"])
        stamp.write_text(wanted)
    return Place(Path(shutil.which("node") or "node").parent)


def _virtual_environment(name: str) -> Place:
    requirements = BENCHMARKS / ("requirements.txt" if name == "peers" else f"requirements-{name}.txt")
    folder = BENCHMARKS / f".venv-{name}"
    python, stamp = folder / "bin" / "python", folder / ".installed"
    digest, *problems = _text_of(stamp).splitlines() or [""]
    if digest == _digest(requirements):
        return Place(python.parent, missing=dict(each.split("	", 1) for each in problems))
    _run(f"making {folder.name}", [sys.executable, "-m", "venv", "--clear", str(folder)])
    missing = _install(python, requirements)
    lines = [_digest(requirements), *(f"{package}\t{why}" for package, why in missing.items())]
    stamp.write_text("\n".join(lines) + "\n")
    return Place(python.parent, missing=missing)


def _install(python: Path, requirements: Path) -> dict[str, str]:
    """Install all at once; if that fails, one by one, and return what could not be installed."""
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet"]
    try:
        _run(f"installing {requirements.name}", [*pip, "-r", str(requirements)])
    except Unavailable:
        print("  that failed; one by one:", flush=True)
    else:
        return {}
    missing = {}
    lines = (line.partition("#")[0].strip() for line in requirements.read_text().splitlines())
    for line in filter(None, lines):
        try:
            _run(f"installing {line}", [*pip, line])
        except Unavailable as problem:
            missing[line.partition("==")[0].partition("[")[0]] = " ".join(str(problem).split())[:300]
    return missing


def _text_of(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _run(what: str, command: list[str]) -> None:
    """Run a command quietly; say every ten seconds that it is at work.

    Raises:
        Unavailable: It failed; with the end of what it printed.
    """
    print(f"  {what} …", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                command, cwd=BENCHMARKS, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )
        except OSError as error:
            raise Unavailable(f"{what} failed: {error}.") from None
        while True:
            try:
                status = process.wait(10)
                break
            except subprocess.TimeoutExpired:
                print(f"  still {what} ({time.monotonic() - began:.0f} s)", flush=True)
        if status:
            output.seek(0)
            printed = output.read().decode(errors="replace").strip()[-600:]
            raise Unavailable(f"{what} failed: {printed}")
