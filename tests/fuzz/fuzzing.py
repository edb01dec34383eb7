"""What the targets share: start atheris, or say how to get it."""

from __future__ import annotations

import sys
from collections.abc import Callable


def fuzz(target: Callable[[bytes], None]) -> None:
    """Run `target` on generated inputs until the options of the command line say stop."""
    try:
        import atheris
    except ImportError:
        sys.exit("Fuzzing needs atheris: pip install atheris")
    # The coverage that guides it: everything of the wire layer, functions instrumented in place.
    atheris.instrument_all()
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()
