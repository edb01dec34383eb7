"""Query parameters as Robyn's handlers read them: names with several values each, and changeable."""

from __future__ import annotations

from starlette.datastructures import MultiDict


class QueryParams(MultiDict):
    """Query parameters, URL-decoded; ``get`` and ``[]`` give the last value of a name."""

    def set(self, key: str, value: str) -> None:
        """Add a value to a name."""
        self.append(key, value)

    def get_first(self, key: str) -> str | None:
        """The first value of a name, or None."""
        values = self.getlist(key)
        return values[0] if values else None

    def get_all(self, key: str) -> list[str] | None:
        """All values of a name, or None."""
        return self.getlist(key) or None

    def contains(self, key: str) -> bool:
        """Whether a name has a value."""
        return key in self

    def empty(self) -> bool:
        """Whether there are none."""
        return not self

    def extend(self, other: QueryParams) -> None:
        """Add all values of others to these."""
        for key, value in other.multi_items():
            self.append(key, value)

    def to_dict(self) -> dict[str, list[str]]:
        """All values by name."""
        return {key: self.getlist(key) for key in self}
