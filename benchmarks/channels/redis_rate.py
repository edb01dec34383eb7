"""Publications through Redis, from one process to another: redis-py alone beside our broker.

``python -m benchmarks.channels.redis_rate`` starts a Redis server of its own, and for each round and each way
a subscriber and a publisher, each a process on uvloop. Rounds are interleaved, and every second one goes the
other way round; figures are medians, ratios are to redis-py in the same run.

* rate: 128 bytes each, 100 to a pipeline, the next when Redis has answered all; from the first call to the
  last publication received. redis-py: `pipeline(transaction=False)` and `async for … in pubsub.listen()`.
* CPU: of the publisher and the subscriber, for each publication, in the same run.
* latency: 500 a second, each alone; from the call to its arrival in the other process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from secrets import token_hex
from statistics import median, quantiles
from typing import Any

import redis.asyncio
import uvloop

from antiphon.brokers.redis import RedisBroker
from antiphon.channels import History, Publication, Retention
from tests.redis_server import redis_server, url_of

WAYS = ("redis-py", "live", "history")
GOALS = {"live": 0.6, "history": 0.35}
RETENTION = {"live": Retention(), "history": Retention(History(size=100, ttl=60))}
BURST = 100
PACE = 0.002
SIZE = 128


class _Counting:
    """Notes what arrives: when it came, and how long it was on its way."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._late: list[int] = []
        self._all = asyncio.Event()
        self.last = 0

    def arrived(self, payload: str | bytes) -> None:
        self.last = time.monotonic_ns()
        self._late.append(self.last - int(payload[:20]))
        if len(self._late) == self._count:
            self._all.set()

    def received(self, publication: Publication) -> None:
        self.arrived(publication.payload)

    def interrupted(self, error: Exception) -> None:
        raise SystemExit(f"the connection was lost: {error}")

    def restored(self) -> None:
        pass

    async def wait(self) -> dict[str, Any]:
        await self._all.wait()
        cuts = quantiles(self._late, n=100)
        return {"last": self.last, "p50": cuts[49] / 1000, "p99": cuts[98] / 1000}


async def subscriber(way: str, url: str, prefix: str, count: int) -> dict[str, Any]:
    """Receive so many publications."""
    counting = _Counting(count)
    if way != "redis-py":
        broker = RedisBroker(url, prefix=prefix)
        await broker.start(counting)
        await broker.subscribe("news")
        print("ready", flush=True)
        began = time.process_time()
        return {**await counting.wait(), "cpu": time.process_time() - began}
    pubsub = redis.asyncio.Redis.from_url(url).pubsub(ignore_subscribe_messages=True)
    await pubsub.subscribe(prefix)
    await pubsub.get_message(timeout=5)
    print("ready", flush=True)
    began = time.process_time()
    async for message in pubsub.listen():
        counting.arrived(message["data"])
        if counting._all.is_set():
            break
    return {**await counting.wait(), "cpu": time.process_time() - began}


def _payload() -> str:
    return f"{time.monotonic_ns():020}".ljust(SIZE, "x")


async def publisher(way: str, url: str, prefix: str, count: int, paced: bool) -> dict[str, Any]:
    """Publish so many."""
    publish: Callable[[int], Awaitable[Any]]
    if way == "redis-py":
        client = redis.asyncio.Redis.from_url(url)
        await client.ping()

        async def publish(number: int) -> None:
            pipeline = client.pipeline(transaction=False)
            for _ in range(number):
                pipeline.publish(prefix, _payload())
            await pipeline.execute()

    else:
        broker, retention = RedisBroker(url, prefix=prefix), RETENTION[way]
        await broker.start(_Counting(0))

        async def publish(number: int) -> None:
            results = [broker.publish(Publication("news", _payload()), retention) for _ in range(number)]
            for result in results:
                await result

    began = time.process_time()
    first = time.monotonic_ns()
    if paced:
        for number in range(count):
            await asyncio.sleep(max(0.0, first / 1e9 + number * PACE - time.monotonic()))
            await publish(1)
    else:
        for _ in range(count // BURST):
            await publish(BURST)
    return {"first": first, "cpu": time.process_time() - began}


def measure(way: str, url: str, count: int, paced: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """One subscriber and one publisher: what each reports."""
    prefix = token_hex(4)
    base = [sys.executable, "-m", __spec__.name, "--way", way, "--url", url, "--prefix", prefix]
    base += ["--count", str(count), *(["--paced"] if paced else [])]
    with subprocess.Popen([*base, "--role", "subscriber"], stdout=subprocess.PIPE, text=True) as receiving:
        assert receiving.stdout is not None
        assert receiving.stdout.readline() == "ready\n"
        sent = subprocess.run(
            [*base, "--role", "publisher"], stdout=subprocess.PIPE, text=True, check=True, timeout=120
        )
        received = receiving.stdout.read()
    return json.loads(sent.stdout), json.loads(received)


def compare(rounds: int, count: int) -> tuple[list[str], bool]:
    """Measure all ways in turn; return a table of the medians, and whether the goals are met."""
    rates: dict[str, list[float]] = {way: [] for way in WAYS}
    cpu: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    late: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    with redis_server() as server:
        for number in range(rounds):
            for way in WAYS if number % 2 == 0 else reversed(WAYS):
                sent, received = measure(way, url_of(server), count, paced=False)
                rates[way].append(count / (received["last"] - sent["first"]) * 1e9)
                cpu[way].append((sent["cpu"] / count * 1e6, received["cpu"] / count * 1e6))
                _, received = measure(way, url_of(server), 500, paced=True)
                late[way].append((received["p50"], received["p99"]))
    met = True
    table = ["| way | publications/s | least | most | ratio | goal | publisher | subscriber | p50 | p99 |"]
    table.append("|---|---|---|---|---|---|---|---|---|---|")
    for way in WAYS:
        ratio = median(mine / raw for mine, raw in zip(rates[way], rates["redis-py"], strict=True))
        met = met and ratio >= GOALS.get(way, 0)
        table.append(
            f"| {way} | {median(rates[way]):,.0f} | {min(rates[way]):,.0f} | {max(rates[way]):,.0f} "
            f"| {ratio:.2f} | {GOALS.get(way, '')} "
            f"| {median(sent for sent, _ in cpu[way]):.1f} us | {median(got for _, got in cpu[way]):.1f} us "
            f"| {median(p50 for p50, _ in late[way]):.0f} us | {median(p99 for _, p99 in late[way]):.0f} us |"
        )
    return table, met


def main() -> int:
    """Run one of the two processes, or all of it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--role", choices=("subscriber", "publisher"), help=argparse.SUPPRESS)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--prefix", help=argparse.SUPPRESS)
    parser.add_argument("--paced", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.role is None:
        table, met = compare(chosen.rounds, chosen.count)
        print("\n".join(table))
        return 0 if met else 1
    role = (
        subscriber(chosen.way, chosen.url, chosen.prefix, chosen.count)
        if chosen.role == "subscriber"
        else publisher(chosen.way, chosen.url, chosen.prefix, chosen.count, chosen.paced)
    )
    print(json.dumps(uvloop.run(role)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
