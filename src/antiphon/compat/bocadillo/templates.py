"""Templates, rendered by Jinja2 with everything that is inserted escaped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from antiphon.errors import MissingExtra

if TYPE_CHECKING:
    from jinja2 import Environment
    from starlette.applications import Starlette


class Templates:
    """The templates of a folder.

    Args:
        app: Gives templates its ``url_path_for`` as ``url_for``.
        directory: The folder.
        context: Variables for all templates.

    Attributes:
        context: The same.

    Raises:
        MissingExtra: Jinja2 is not installed.
    """

    def __init__(
        self,
        app: Starlette | None = None,
        directory: str | Path = "templates",
        context: dict[str, Any] | None = None,
    ) -> None:
        self._environment = _environment(directory)
        self.context = dict(context or {})
        if app is not None:
            self._environment.globals["url_for"] = app.url_path_for

    async def render(self, name: str, **context: Any) -> str:
        """Render a template of the folder."""
        return self.render_sync(name, **context)

    def render_sync(self, name: str, **context: Any) -> str:
        """Render a template of the folder, in a plain function."""
        return self._environment.get_template(name).render(self.context, **context)

    def render_string(self, source: str, **context: Any) -> str:
        """Render a template given as text."""
        return self._environment.from_string(source).render(self.context, **context)


def _environment(directory: str | Path) -> Environment:
    try:
        from jinja2 import Environment, FileSystemLoader
    except ImportError as error:
        raise MissingExtra("templates need Jinja2: pip install 'antiphon[templates]'") from error
    return Environment(loader=FileSystemLoader(directory), autoescape=True)
