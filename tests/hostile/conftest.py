"""The servers under attack."""

from collections.abc import Iterator

import pytest

from tests.servers import LiveServer

APP = "tests.hostile.app:app"


@pytest.fixture(scope="package")
def server() -> Iterator[LiveServer]:
    """A server for all attacks that do not depend on its limits on connections."""
    with LiveServer.antiphon(APP, "--timeout", "drain=0.5") as running:
        yield running
    assert "Traceback" not in running.output(), running.output()


@pytest.fixture(scope="package")
def fastnet() -> Iterator[LiveServer]:
    """The same with aiofastnet's transports."""
    with LiveServer.antiphon(APP, "--timeout", "drain=0.5", "--loop", "aiofastnet") as running:
        yield running
    assert "Traceback" not in running.output(), running.output()


@pytest.fixture(params=["server", "fastnet"])
def either(request: pytest.FixtureRequest) -> LiveServer:
    """Each of the two, since back-pressure is between the event loop's transports and ours."""
    either: LiveServer = request.getfixturevalue(request.param)
    return either


@pytest.fixture(scope="package")
def plain() -> Iterator[LiveServer]:
    """The same with an application that speaks plain ASGI."""
    limits = ["--limit", "message=100000", "--limit", "frame=100000", "--limit", "fragments=50"]
    with LiveServer.antiphon("tests.hostile.plain:app", *limits) as running:
        yield running
    assert "Traceback" not in running.output(), running.output()
