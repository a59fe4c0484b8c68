"""What an ``ask`` costs beside a bare future with a timer, in the same run.

Both make a future and a timer, have the result set by a callback of the loop, await it
and cancel the timer; the ask goes through a ref, a mailbox and an actor's ``handle``.
Rounds of the two alternate and the best of each counts, so that a busy machine does not
blur the ratio. Run: ``python -m benchmarks.ask_roundtrip [--rounds N] [--asks N]``;
exits with 1 when the ratio is above 2.5.
"""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from time import perf_counter

import uvloop

from actors.runtime import (
    Actor,
    ActorRef,
    ActorSystem,
    ChildSpec,
    Reply,
    SupervisorSpec,
)

LIMIT = 2.5
TIMEOUT_S = 30.0


class Echo(Actor[int]):
    """Answers with what it is asked."""

    def handle(self, message: int, reply: Reply) -> None:
        reply.send(message)


def expire(future: asyncio.Future[int]) -> None:
    if not future.done():
        future.set_exception(TimeoutError())


async def bare(count: int) -> None:
    loop = asyncio.get_running_loop()
    for i in range(count):
        future: asyncio.Future[int] = loop.create_future()
        timer = loop.call_later(TIMEOUT_S, expire, future)
        loop.call_soon(future.set_result, i)
        await future
        timer.cancel()


def asking(ref: ActorRef[int]) -> Callable[[int], Awaitable[None]]:
    async def ask(count: int) -> None:
        for i in range(count):
            await ref.ask(i, timeout_s=TIMEOUT_S)

    return ask


async def seconds_each(run: Callable[[int], Awaitable[None]], count: int) -> float:
    start = perf_counter()
    await run(count)
    return (perf_counter() - start) / count


async def measure(rounds: int, asks: int) -> tuple[float, float]:
    """Best seconds for one bare future and for one ask."""
    async with ActorSystem() as system:
        spec = ChildSpec(id="echo", factory=Echo)
        root = system.start(SupervisorSpec(id="root", children=(spec,)))
        ask = asking(root.ref("echo"))
        bares, askeds = [], []
        for _ in range(rounds):
            bares.append(await seconds_each(bare, asks))
            askeds.append(await seconds_each(ask, asks))

    return min(bares), min(askeds)


def main() -> int:
    parser = argparse.ArgumentParser(description="ask against a bare future")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--asks", type=int, default=5000)
    options = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        one_bare, one_ask = runner.run(measure(options.rounds, options.asks))

    ratio = one_ask / one_bare
    print(f"bare future and timer  {one_bare * 1e6:6.2f} µs")
    print(f"ask                    {one_ask * 1e6:6.2f} µs")
    print(f"ratio                  {ratio:6.2f}     (limit {LIMIT})")
    return 0 if ratio <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
