"""Signatures: the vectors of Pusher's page, and the SDK's own."""

import importlib
import json
from typing import Any

import pytest

from antiphon.broadcast import Credentials
from antiphon.broadcast.auth import channel_data
from antiphon.errors import ConfigurationError
from antiphon.subscription import Member

KEY, SECRET = "278d425bdf160c739803", "7ad3773142a6692b25b8"
MASTER = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
credentials = Credentials(KEY, SECRET, MASTER)


@pytest.fixture
def sdk() -> Any:
    """The `pusher` SDK, with the same app."""
    return importlib.import_module("pusher").Pusher("3", KEY, SECRET, encryption_master_key_base64=MASTER)


def test_private() -> None:
    """The vector of a private channel."""
    assert credentials.sign("1234.1234", "private-foobar") == (
        f"{KEY}:58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4"
    )


def test_presence() -> None:
    """The vector of a presence channel, whose data is signed as it is."""
    data = '{"user_id":10,"user_info":{"name":"Mr. Channels"}}'
    assert credentials.sign("1234.1234", "presence-foobar", data) == (
        f"{KEY}:31935e7d86dba64c2a90aed31fdc61869f9b22ba9d8863bba239c03ca481bc80"
    )


def test_verify() -> None:
    """Only the right proof is one: for this socket, this channel, this data."""
    auth = credentials.sign("1.2", "private-a")
    assert credentials.verify(auth, "1.2", "private-a")
    assert not credentials.verify(auth, "1.3", "private-a")
    assert not credentials.verify(auth, "1.2", "private-b")
    assert not credentials.verify(auth, "1.2", "private-a", "{}")
    assert not credentials.verify("ä", "1.2", "private-a")


@pytest.mark.parametrize("channel", ["private-a", "private-encrypted-a"])
def test_answers_are_the_sdks(sdk: Any, channel: str) -> None:
    """The answer is what the vendor's SDK would make."""
    expected = sdk.authenticate(channel, "1.2")
    if "shared_secret" in expected:
        expected["shared_secret"] = expected["shared_secret"].decode()
    assert credentials.answer("1.2", channel) == expected


def test_members(sdk: Any) -> None:
    """Who a member is is text, its info whatever JSON holds; private channels are not told who enters."""
    member = Member("10", {"name": "Ädä"})
    answer = credentials.answer("1.2", "presence-a", member)
    assert json.loads(answer["channel_data"]) == {"user_id": "10", "user_info": {"name": "Ädä"}}
    assert answer["auth"] == credentials.sign("1.2", "presence-a", answer["channel_data"])
    assert json.loads(channel_data(Member("x"))) == {"user_id": "x"}
    assert credentials.answer("1.2", "private-a", member).keys() == {"auth"}


def test_encrypted_without_a_key() -> None:
    """An encrypted channel needs the key that its messages are encrypted with."""
    with pytest.raises(ConfigurationError, match="encryption_master_key"):
        Credentials("k", "s").answer("1.2", "private-encrypted-a")
