"""`make soak SECONDS=300`: fuzzing, new examples for properties, churn, faults, slow readers, one by one.

Each gets its share of the time, and is run once to its end if that takes longer. A crash, a hang, a
counterexample, or memory that grows fails the run; the input that did it stays in `.cache/soak`.
"""

import os
import subprocess
import sys
import time
import venv
from pathlib import Path

from tests.servers import REPOSITORY

CACHE = REPOSITORY / ".cache" / "soak"
ATHERIS = "atheris==3.0.0"
TARGETS = ("parser", "handshake", "inflate")
#: Seconds that an input of a few kilobytes may take; a step of the soak may overrun its share by this.
HANG = 10
GRACE = 120


def main(seconds: int) -> int:
    """Run all steps; 0 when none failed."""
    failed = []
    share = max(1, seconds // (len(TARGETS) + 3))
    CACHE.mkdir(parents=True, exist_ok=True)
    fuzzer = environment()
    for target in TARGETS:
        if fuzzer is None:
            failed.append(f"fuzzing: {ATHERIS} cannot be installed for this Python")
            break
        corpus = CACHE / target
        corpus.mkdir(exist_ok=True)
        arguments = [f"-max_total_time={share}", f"-timeout={HANG}", f"-artifact_prefix={CACHE}/{target}-"]
        script = REPOSITORY / "tests" / "fuzz" / f"fuzz_{target}.py"
        failed += step(f"fuzzing: {target}", [fuzzer, script, *arguments, corpus], share + GRACE)
    failed += properties(share)
    failed += step("churn", [sys.executable, "-m", "tests.soak.churn", str(share)], share + 1300)
    failed += step("faults", [sys.executable, "-m", "tests.faults", str(share)], share + 300)
    failed += step("slow readers", [sys.executable, "-m", "tests.faults.slow"], 900)
    print("\n".join(f"FAILED: {each}" for each in failed) or "The soak found nothing.")
    return 1 if failed else 0


def environment() -> Path | None:
    """A Python with atheris and the wire layer's needs, in a folder of its own: nothing else wants it."""
    folder = CACHE / f"venv-{sys.version_info[0]}.{sys.version_info[1]}"
    python, done = folder / "bin" / "python", folder / "complete"
    if not done.exists():
        print(f"Installing {ATHERIS}.", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        if subprocess.run([*command, ATHERIS, "--editable", REPOSITORY], timeout=600, check=False).returncode:
            return None
        done.touch()
    return python


def properties(seconds: float) -> list[str]:
    """Search for counterexamples with new examples, again and again for so long."""
    deadline = time.monotonic() + seconds
    settings = {"HYPOTHESIS_PROFILE": "soak"}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "--timeout=600",
        "-p",
        "no:cacheprovider",
        "tests/wire",
        "tests/channels",
        "tests/protocols",
    ]
    while True:
        # A test that hangs fails by its own time; all of them take ten minutes, on a busy machine twice that.
        failed = step("properties", command, 1800, settings)
        if failed or time.monotonic() > deadline:
            return failed


def step(
    name: str, command: list[str | Path], timeout: float, env: dict[str, str] | None = None
) -> list[str]:
    """Run a step to its end, or to that of its time; its name if it failed."""
    print(f"--- {name}", flush=True)
    try:
        done = subprocess.run(
            command, cwd=REPOSITORY, env={**os.environ, **(env or {})}, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        return [f"{name}: hangs"]
    return [name] if done.returncode else []


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
