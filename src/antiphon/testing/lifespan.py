"""An application's start and stop, without a server.

https://asgi.readthedocs.io/en/latest/specs/lifespan.html
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.types import ASGIApp


class Lifespan:
    """The life of an application, from ``start`` to ``stop``.

    Args:
        app: The application; one that knows no lifespan is served without.
        timeout: Seconds that starting, and stopping, may take.

    Attributes:
        state: What the application put into its lifespan state.
    """

    def __init__(self, app: ASGIApp, timeout: float) -> None:
        self.state: dict[str, Any] = {}
        self._app = app
        self._timeout = timeout
        self._to_app = asyncio.Queue[dict[str, Any]]()
        self._said: dict[str, str] = {}
        self._heard = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the application.

        Raises:
            TimeoutError: It does not start in time.
            Exception: What the application raised.
        """
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        self._task = asyncio.create_task(self._run(scope), name="test client: lifespan")
        await self._say("startup")

    async def stop(self) -> None:
        """Stop the application; a second time does nothing.

        Raises:
            TimeoutError: It does not stop in time.
            Exception: What the application raised.
        """
        task = self._task
        if task is None or task.done():
            return
        try:
            await self._say("shutdown")
            await asyncio.wait([task], timeout=self._timeout)
        finally:
            task.cancel()

    async def _say(self, event: str) -> None:
        assert self._task is not None
        self._heard.clear()
        self._to_app.put_nowait({"type": f"lifespan.{event}"})
        try:
            async with asyncio.timeout(self._timeout):
                await self._heard.wait()
        except TimeoutError:
            self._task.cancel()
            raise TimeoutError(f"the application's {event} takes longer than {self._timeout:g} s") from None
        failed = f"lifespan.{event}.failed"
        if failed in self._said:
            await asyncio.wait([self._task])
            error = self._task.exception()
            raise error or RuntimeError(f"the application's {event} failed: {self._said[failed]}")

    async def _run(self, scope: dict[str, Any]) -> None:
        try:
            await self._app(scope, self._to_app.get, self._hear)
        except Exception:
            # Whoever says that it failed is heard; whoever just raises knows no lifespan.
            if any(each.endswith("failed") for each in self._said):
                raise
        finally:
            self._heard.set()

    async def _hear(self, event: Mapping[str, Any]) -> None:
        self._said[event["type"]] = event.get("message", "")
        if event["type"].endswith("complete"):
            self._heard.set()
