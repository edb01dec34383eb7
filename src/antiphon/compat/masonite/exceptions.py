"""What Masonite's drivers raise, under the names of ``masonite.exceptions``."""

from __future__ import annotations

from antiphon.errors import DriverLibraryNotFound, DriverNotFound, UnacceptableDriverType

__all__ = ["DriverLibraryNotFound", "DriverNotFound", "UnacceptableDriverType"]
