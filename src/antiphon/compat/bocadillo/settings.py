"""``configure``: from Bocadillo's settings to what our application has for them.

A program may keep settings of its own among them, so unknown names are left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any

from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.httpsredirect import HTTPSRedirectMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from antiphon.compat.bocadillo.application import App
from antiphon.errors import ConfigurationError, MissingExtra


def configure(app: App, settings: Any = None, **more: Any) -> App:
    """Set an application up.

    Args:
        app: The application.
        settings: A mapping, or an object or module whose names in capitals are settings.
        **more: Single settings. Known are ``PROVIDER_MODULES`` (names of modules to import),
            ``SESSIONS`` (options of Starlette's ``SessionMiddleware``), ``CORS`` (options of its
            ``CORSMiddleware``), ``ALLOWED_HOSTS``, ``GZIP`` and ``HSTS``.

    Returns:
        The application.

    Raises:
        ConfigurationError: A setting lacks what it needs.
    """
    for name, value in {**_names(settings), **more}.items():
        if name in _SETTINGS and value:
            _SETTINGS[name](app, value)
    return app


def _names(settings: Any) -> Mapping[str, Any]:
    if settings is None:
        return {}
    if isinstance(settings, Mapping):
        return settings
    return {name: value for name, value in vars(settings).items() if name.isupper()}


def _import_providers(app: App, modules: Iterable[str]) -> None:
    for module in modules:
        import_module(module)


def _add_sessions(app: App, options: Any) -> None:
    if not isinstance(options, Mapping) or "secret_key" not in options:
        raise ConfigurationError("SESSIONS needs a secret_key: configure(app, SESSIONS={'secret_key': …})")
    try:
        from starlette.middleware.sessions import SessionMiddleware
    except ImportError as error:
        raise MissingExtra("sessions need itsdangerous: pip install 'antiphon[sessions]'") from error
    app.add_middleware(SessionMiddleware, **options)


def _add_cors(app: App, options: Any) -> None:
    app.add_middleware(CORSMiddleware, **(options if isinstance(options, Mapping) else {}))


def _add_allowed_hosts(app: App, hosts: Iterable[str]) -> None:
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))


def _add_gzip(app: App, wanted: object) -> None:
    app.add_middleware(GZipMiddleware)


def _add_redirect(app: App, wanted: object) -> None:
    app.add_middleware(HTTPSRedirectMiddleware)


_SETTINGS: dict[str, Callable[[App, Any], None]] = {
    "PROVIDER_MODULES": _import_providers,
    "SESSIONS": _add_sessions,
    "CORS": _add_cors,
    "ALLOWED_HOSTS": _add_allowed_hosts,
    "GZIP": _add_gzip,
    "HSTS": _add_redirect,
}
