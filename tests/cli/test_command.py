"""The command `antiphon` as a whole."""

import subprocess
import sys
from pathlib import Path

import pytest

from antiphon.cli import main


@pytest.mark.parametrize(
    "arguments", [[], ["serve"], ["run"], ["run", "a:b", "--port", "x"], ["publish", "news"], ["listen"]]
)
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be understood shows the usage and ends with 2."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: antiphon" in capsys.readouterr().err


def test_program() -> None:
    """The command is installed under its name."""
    program = Path(sys.executable).with_name("antiphon")
    result = subprocess.run([program, "--help"], capture_output=True, text=True, timeout=20, check=False)
    assert result.returncode == 0
    assert "Real-time for Python" in result.stdout
