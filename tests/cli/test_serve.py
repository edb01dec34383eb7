"""`antiphon run`: what it takes, and its errors in one line."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import HOST, REPOSITORY, LiveServer


def antiphon(*arguments: str, cwd: Path = REPOSITORY) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "antiphon", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=cwd, timeout=20, stdin=subprocess.DEVNULL, check=False
    )


def test_help() -> None:
    """`antiphon run --help` names every option with its default."""
    result = antiphon("run", "--help")
    assert result.returncode == 0
    for part in ("MODULE:APP", "--host", "127.0.0.1", "--port", "8000", "--reload", "--log-level", "info"):
        assert part in result.stdout


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("nothing", "must be in format"),
        ("no_such_module:app", 'Could not import module "no_such_module"'),
        ("tests.live_app:nothing", 'Attribute "nothing" not found'),
    ],
)
def test_no_such_application(target: str, problem: str) -> None:
    """An application that is not there is one line, and status 1."""
    result = antiphon("run", target)
    assert result.returncode == 1
    assert result.stderr.startswith("antiphon: ")
    assert problem in result.stderr
    assert "Traceback" not in result.stderr


def test_busy_port() -> None:
    """A busy port is one line, and status 1; nothing is asked."""
    with LiveServer.antiphon("tests.live_app:app") as server:
        result = antiphon("run", "tests.live_app:app", "--port", str(server.port))
        assert server.running
    assert result.returncode == 1
    assert result.stderr == (
        f"antiphon: {HOST}:{server.port} is taken by another program; choose another port\n"
    )


def test_application_in_the_current_folder(tmp_path: Path) -> None:
    """The application is looked for where the command is given."""
    (tmp_path / "here.py").write_text("from antiphon import Antiphon\napp = Antiphon()\n")
    with LiveServer.antiphon("here:app", "--log-level", "warning", cwd=tmp_path) as server:
        assert server.running
    assert server.output() == ""
