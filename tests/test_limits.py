"""Limits and timeouts: what they refuse, and how they come from the command line to where they are used."""

import inspect
from typing import Any

import pytest

from antiphon import Antiphon, Limits, Timeouts, cli
from antiphon.errors import ConfigurationError
from antiphon.limits import changed
from antiphon.server import Changes, Listen
from antiphon.server.run import configuration


@pytest.mark.parametrize("kind", [Limits, Timeouts])
def test_positive(kind: type[Any]) -> None:
    """No field takes a negative number; none takes nothing, where nothing would mean no protection."""
    for name in kind.__dataclass_fields__:
        with pytest.raises(ConfigurationError, match=f"{kind.__name__}.{name} must be positive"):
            kind(**{name: -1})
    optional = {name for name, field in kind.__dataclass_fields__.items() if "None" in field.type}
    for name in kind.__dataclass_fields__:
        if name in optional:
            assert getattr(kind(**{name: None}), name) is None
        else:
            with pytest.raises(ConfigurationError, match="cannot be None"):
                kind(**{name: None})


def test_fit_together() -> None:
    """Values that make no sense together are refused with the remedy."""
    with pytest.raises(ConfigurationError, match="lower the first or raise the second"):
        Limits(outbox=1000, high_water=1001)
    with pytest.raises(ConfigurationError, match="raise the second"):
        Timeouts(drain=2, spread=2)
    assert Timeouts(spread=0).spread == 0


@pytest.mark.parametrize("kind", [Limits, Timeouts])
@pytest.mark.parametrize("value", [float("inf"), float("nan"), "5"])
def test_number(kind: type[Any], value: Any) -> None:
    """No field takes what no clock and no counter comes to, or what is no number."""
    for name in kind.__dataclass_fields__:
        with pytest.raises(
            ConfigurationError, match=f"{kind.__name__}.{name} must be a number, not {value!r}"
        ):
            kind(**{name: value})


def test_every_field_is_explained() -> None:
    """The docstrings explain each field."""
    for kind in (Limits, Timeouts):
        for name in kind.__dataclass_fields__:
            assert f"\n    {name}: " in (inspect.getdoc(kind) or "")


def test_changed() -> None:
    """Single fields are changed; what is no field, or no value for one, is refused."""
    assert changed(Limits(frame=5), {"message": 7}) == Limits(frame=5, message=7)
    with pytest.raises(ConfigurationError, match="Limits has no 'mesage'; it has message, head"):
        changed(Limits(), {"mesage": 7})
    with pytest.raises(ConfigurationError, match=r"Timeouts\.ping must be positive"):
        changed(Timeouts(), {"ping": 0})


def test_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Options change fields of the application's own, which are used from then on."""
    given: list[Any] = []
    monkeypatch.setattr(
        cli.serve, "run", lambda app, listen, **options: given.append((listen, options["changes"]))
    )
    limits = ["--limit", "message=65536", "--limit", "connections=none"]
    timeouts = ["--timeout", "idle=60", "--timeout", "ping_interval=none"]
    assert cli.main(["run", "a:b", *limits, *timeouts, "--forwarded-allow-ips", "10.0.0.1"]) == 0
    listen, changes = given[0]
    assert listen.proxies == "10.0.0.1"
    app = Antiphon(limits=Limits(message=1, frame=9, worker_threads=3), timeouts=Timeouts(ping=7))
    config = configuration(app, Listen(), log_level="info", reload=False, changes=changes)
    assert app.limits == config.limits == Limits(message=65536, frame=9, worker_threads=3, connections=None)
    assert app.timeouts == config.timeouts == Timeouts(ping=7, idle=60, ping_interval=None)
    assert app.services.terms.limits is app.limits


def test_worker_threads_change() -> None:
    """The pool of worker threads goes with the limit."""
    app = Antiphon()
    configuration(app, Listen(), log_level="info", reload=False, changes=Changes({"worker_threads": 2}))
    assert app.services.threads.most == 2


def test_plain_application() -> None:
    """An application that brings none gets the defaults, changed."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        """Plain ASGI."""

    config = configuration(app, Listen(), log_level="info", reload=False, changes=Changes({"message": 5}))
    assert config.limits == Limits(message=5)
    assert config.timeouts == Timeouts()


@pytest.mark.parametrize(
    ("option", "told"),
    [
        (["--limit", "mesage=5"], "with a name of message, head"),
        (["--limit", "message"], "no NAME=VALUE"),
        (["--limit", "message=5.5"], "a whole number, or none"),
        (["--timeout", "idle=soon"], "a number of seconds, or none"),
    ],
)
def test_wrong_options(option: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be read shows what could, and ends with 2."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["run", "a:b", *option])
    assert ended.value.code == 2
    assert told in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    "option", [["--limit", "message=0"], ["--limit", "message=none"], ["--timeout", "spread=9"]]
)
def test_impossible_values(option: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A value that cannot be is an error in one line, and status 1."""
    assert cli.main(["run", "tests.live_app:app", "--port", "0", *option]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("antiphon: ")


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    """The help lists every field with its default."""
    with pytest.raises(SystemExit):
        cli.main(["run", "--help"])
    text = capsys.readouterr().out
    for values in (Limits(), Timeouts()):
        for name in type(values).__dataclass_fields__:
            assert f"{name}={getattr(values, name)}".replace("None", "none") in text
