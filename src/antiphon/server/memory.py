"""What a process that serves does with its memory: less to look through, and less to fetch again."""

from __future__ import annotations

import gc

#: Bytes of an allocation; twice as many may stay with the process when they are free.
LARGE = 4 * 1024 * 1024


def settle() -> None:
    """Arrange memory for serving, once everything is loaded."""
    # What is there now stays: the collector need not look through modules and routes each time that
    # connections have made it look, which holds all of them up.
    gc.collect()
    gc.freeze()
    # glibc gives free memory above 128 KiB at the end of its heap back to the kernel, and gets it again page
    # by page: for a message of 64 KiB that takes ten times as long as copying it. Having freed one large
    # allocation it keeps twice as much (mallopt(3), M_TRIM_THRESHOLD). Elsewhere this does nothing.
    bytes(LARGE)
