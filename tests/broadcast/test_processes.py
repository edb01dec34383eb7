"""Programs of their own: a script, its end, its children, and a service that is away at the wrong moment."""

import subprocess
import sys
from pathlib import Path

from tests.broadcast.services import HANG, Service
from tests.servers import REPOSITORY

BEGIN = """
import asyncio, atexit, os, sys, threading
from antiphon import Broadcast
broadcast = Broadcast("pusher", {"pusher": SETTINGS})
"""


def run(program: str, service: Service, before: str = "") -> subprocess.CompletedProcess[str]:
    """Run a program with a facade that reaches a service, and something before Antiphon is imported."""
    source = before + BEGIN.replace("SETTINGS", repr(service.settings)) + program
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", source],
        capture_output=True,
        text=True,
        timeout=30,
        cwd=REPOSITORY,
        check=False,
    )


def assert_quiet(done: subprocess.CompletedProcess[str]) -> None:
    """A program ended well, and printed nothing."""
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_no_sdk_is_imported() -> None:
    """Importing Antiphon imports no service's package, and neither does making a facade."""
    program = """
import sys
from antiphon import Broadcast
drivers = {"pusher": {"app_id": "1", "key": "k", "secret": "s"}, "ably": {"secret": "a.b:c"}}
Broadcast(["pusher", "ably"], drivers)
print(sorted({"pusher", "ably", "requests", "httpx", "msgpack"} & sys.modules.keys()))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=30,
        cwd=REPOSITORY,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_a_script(pusher: Service) -> None:
    """A script sends and ends."""
    assert_quiet(run("broadcast.channel('a', 1)", pusher))
    assert list(pusher.sent) == [("a", "base-event", "1")]


def test_what_waits_is_sent_at_the_end(pusher: Service) -> None:
    """A script that ends sends first what it left to the background, also from an event loop that is over."""
    program = """
for number in range(20):
    broadcast.later("a", number)
async def main():
    broadcast.channel("a", 20)
asyncio.run(main())
"""
    assert_quiet(run(program, pusher))
    assert [data for _, _, data in pusher.sent] == [str(number) for number in range(21)]


def test_while_the_interpreter_ends(pusher: Service) -> None:
    """What runs at the very end may still send, now or later."""
    program = """
atexit.register(broadcast.later, "a", "later")
atexit.register(broadcast.channel, "a", "now")
"""
    before = """
import atexit
atexit.register(lambda: broadcast.later("a", "last of all"))
"""
    assert_quiet(run(program, pusher, before))
    assert sorted(data for _, _, data in pusher.sent) == ["last of all", "later", "now"]


def test_an_end_that_does_not_wait_for_ever(pusher: Service) -> None:
    """A service that does not answer puts off the end no longer than its time; what was not sent is said."""
    pusher.answers = [HANG]
    program = """
import antiphon.broadcast.pool
antiphon.broadcast.pool.LAST = 0.2
broadcast.later("a", 1)
"""
    done = run(program, pusher)
    assert done.returncode == 0
    assert done.stderr == "1 messages were not sent by the driver 'pusher' within 0.2 s\n"


def test_after_a_fork(pusher: Service) -> None:
    """A child has connections and a queue of its own; what waits in the parent, the parent alone sends."""
    program = """
broadcast.channel("a", "before")
broadcast.later("a", "waits")
def child():
    broadcast.channel("a", "child")
    broadcast.later("a", "child later")
    asyncio.run(broadcast.publish("a", "child awaits"))
    os._exit(broadcast.close())
async def main():
    await broadcast.publish("a", "thread")  # the threads of a pool do not survive a fork
asyncio.run(main())
pid = os.fork()
if pid == 0:
    child()
_, status = os.waitpid(pid, 0)
broadcast.channel("a", "after")
sys.exit(os.waitstatus_to_exitcode(status))
"""
    done = run(program, pusher)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(data for _, _, data in pusher.sent) == [
        "after",
        "before",
        "child",
        "child awaits",
        "child later",
        "thread",
        "waits",
    ]
    child = {each.connection for each in pusher.taken if "child" in each.body["data"]}
    parent = {each.connection for each in pusher.taken if each.body["data"] in ("before", "after")}
    assert child.isdisjoint(parent)


def test_a_fork_in_the_middle(pusher: Service) -> None:
    """A fork while another thread is busy leaves no lock behind that the child would wait for."""
    program = """
lane = broadcast._lanes()[0]
held, go_on = threading.Semaphore(0), threading.Event()
def hold(lock):
    with lock:
        held.release()
        go_on.wait()
threads = [threading.Thread(target=hold, args=[lock]) for lock in (broadcast._pool._lock, lane._changed)]
for thread in threads:
    thread.start()
    held.acquire()
pid = os.fork()
if pid == 0:
    broadcast.later("a", "child")
    os._exit(broadcast.close())
_, status = os.waitpid(pid, 0)
go_on.set()
sys.exit(os.waitstatus_to_exitcode(status))
"""
    done = run(program, pusher)
    assert (done.returncode, done.stderr) == (0, "")
    assert list(pusher.sent) == [("a", "base-event", "child")]


def test_a_configuration_that_is_wrong(tmp_path: Path) -> None:
    """A script says which setting is wrong where it makes its facade."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "broadcast.py").write_text(
        "DRIVER = 'pusher'\nDRIVERS = {'pusher': {'app_id': '29382xx..'}}"
    )
    done = subprocess.run(
        [sys.executable, "-c", "from antiphon import Broadcast; Broadcast()"],
        capture_output=True,
        text=True,
        timeout=30,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "antiphon.errors.ConfigurationError: DRIVERS['pusher']['app_id'] "
        "(or ANTIPHON_BROADCAST_PUSHER_APP_ID) is still the placeholder of the example; put in your own"
    )
