"""The steps of the demo, and the account it gives of them."""

import sys
import time
from collections.abc import Callable
from decimal import Decimal
from typing import TypeVar

from msgspec import UNSET, Struct, convert
from msgspec.structs import replace

from actors.messages.routing import RequestRecord
from daemon.cli.render.consensus import verdict as render_verdict
from daemon.cli.render.records import history as render_history, usage as render_usage
from daemon.cli.render.table import Row, no_colours, table
from daemon.demo.stage import DemoFailed, Stage
from ipc.blocking import Connection, connect
from ipc.results import (
    HistoryResult,
    ProvidersResult,
    ProviderStatus,
    RouteReply,
    StatusResult,
    UsageResult,
)
from ipc.tasks import TaskSubmitResult, TaskWaitResult

STRATEGIES = (
    "cost",
    "performance",
    "availability",
    "hybrid",
    "round_robin",
    "priority",
)
PATIENCE_S = 20.0
PAUSE_S = 0.1
CALL_S = 30.0

S = TypeVar("S", bound=Struct)


class Show:
    """Runs the steps over one connection and remembers every request it made."""

    def __init__(self, running: Stage, connection: Connection) -> None:
        self._stage = running
        self._connection = connection
        self._asked: list[RouteReply] = []
        self._members: list[str] = []  # decisions of what a consensus asked
        self._victim = ""

    def run(self) -> None:
        """All steps, in order.

        Raises:
            DemoFailed: One of them did not do what it says.
        """
        self.wait_for_prices()
        self.strategies()
        self.failover()
        self.recovery()
        self.stream()
        self.consensus()
        self.task()
        self.account()

    # ---- the steps

    def wait_for_prices(self) -> None:
        say("1. Three pretend providers speak their real dialects over real HTTP")
        self._until("no prices", self._all_priced)
        for each in self._status().providers:
            say(f"   {each.provider:<8} {each.kind:<10} {each.model}")

    def strategies(self) -> None:
        say("\n2. One request with each strategy")
        rows: list[Row] = []
        for strategy in STRATEGIES:
            reply = self._ask(f"Say hello ({strategy}).", strategy=strategy)
            record = self._explain(reply.decision_id)
            check(record.decision.strategy == strategy, f"{strategy} was not used")
            best = record.decision.candidates[0]
            check(best.target.provider == reply.provider, "the best was not asked")
            rows.append(
                [
                    strategy,
                    reply.provider,
                    f"{best.score:.3f}",
                    usd(reply.cost_usd),
                    record.decision.reason,
                ]
            )
        head = ("strategy", "answered by", "score", "cost", "because")
        say(indented(table(head, rows, no_colours)))

    def failover(self) -> None:
        say("\n3. The cheapest provider goes down: the next one answers")
        victim = self._ask("Who is cheapest?", strategy="cost").provider
        self._stage.switch(victim, {"kind": "down"})
        for _ in range(4):
            reply = self._ask("Still there?", strategy="cost")
            tried = ", ".join(f"{a.provider}: {a.outcome}" for a in reply.attempts)
            say(f"   answered by {reply.provider:<7} after {tried}")
            check(reply.provider != victim, f"{victim} is down and answered")
        status = self._provider(victim)
        check(status.breaker == "open", f"the breaker of {victim} is {status.breaker}")
        say(f"   {victim}: breaker {status.breaker}, no longer asked")
        self._victim = victim

    def recovery(self) -> None:
        victim = self._victim
        say(f"\n4. {victim} comes back: probed, trusted again after two real answers")
        self._stage.switch(victim)
        self._until("no recovery", lambda: self._asks_until_closed(victim))
        say(f"   {victim}: breaker {self._provider(victim).breaker}")

    def _asks_until_closed(self, victim: str) -> bool:
        self._ask("Welcome back?", strategy="cost")
        return self._provider(victim).breaker == "closed"

    def stream(self) -> None:
        say("\n5. A streamed answer, as it comes")
        params = {"prompt": "Tell me a story.", "stream": True, "strategy": "cost"}
        stream = self._connection.stream("route", params, timeout_s=CALL_S)
        pieces = []
        sys.stdout.write("   ")
        for delta in stream:
            pieces.append(delta.content or "")
            sys.stdout.write(pieces[-1])
            sys.stdout.flush()
        say("")
        reply = typed(stream.result, RouteReply)
        self._asked.append(reply)
        check(len(pieces) > 1, "the stream came in one piece")
        check("".join(pieces) == reply.content, "the stream is not the answer")
        first = reply.time_to_first_token_s or 0.0
        say(f"   {len(pieces)} pieces, the first after {first * 1000:.1f} ms")

    def consensus(self) -> None:
        say("\n6. All three are asked, their answers compared, one decided on")
        asked = {"prompt": "What is the capital of France?", "quorum": 3}
        reply = typed(self._call("consensus", **asked), RouteReply)
        self._asked.append(reply)
        check(reply.consensus is not UNSET, "there is no verdict")
        assert reply.consensus is not UNSET
        say(indented(render_verdict(reply.consensus, no_colours)))
        ballots = reply.consensus.ballots
        check(all(b.state == "answered" for b in ballots), "not all have answered")
        self._members = [ballot.decision_id or "" for ballot in ballots]
        costs = [self._explain(each).cost_usd or Decimal(0) for each in self._members]
        check(reply.cost_usd == sum(costs), "the round does not cost what its parts do")

    def task(self) -> None:
        say("\n7. A durable task: kept on disk, worked, its answer there to be fetched")
        asked = {"prompt": "Write the minutes.", "idempotency_key": "minutes"}
        kept = typed(self._call("tasks.submit", **asked), TaskSubmitResult)
        again = typed(self._call("tasks.submit", **asked), TaskSubmitResult)
        check(kept.task_id == again.task_id, "one key made two tasks")
        waited = self._call("tasks.wait", task_id=kept.task_id, timeout_s=PATIENCE_S)
        (found,) = typed(waited, TaskWaitResult).tasks
        check(found.state == "done", f"the task is {found.state}")
        reply = convert(found.result, RouteReply)
        record = self._explain(reply.decision_id)
        check(record.metadata.get("task_id") == kept.task_id, "the record is another's")
        self._asked.append(replace(reply, cost_usd=record.cost_usd))
        say(f"   {kept.task_id}: {found.state} after {found.attempts} attempt,")
        say(f"   answered by {reply.provider}; submitted twice with one key, done once")

    def account(self) -> None:
        say("\n8. What the ledger says (read back from history, explain and usage)")
        entries = typed(self._call("history", limit=1000), HistoryResult)
        newest = HistoryResult(entries.entries[:8])
        say(indented(render_history(newest, no_colours)))
        check(
            {e.decision_id for e in entries.entries}
            == {r.decision_id for r in self._asked} | set(self._members),
            "the history is not what was asked",
        )
        usage = typed(self._call("usage", by="provider"), UsageResult)
        say("\n" + indented(render_usage(usage, no_colours)))
        self._balance(usage)

    def _balance(self, usage: UsageResult) -> None:
        """The ledger, the answers and the providers' own bills must be one figure.

        What a round of consensus cost is the sum of its members', counted there.
        """
        explained = Decimal(0)
        for reply in self._asked:
            record = self._explain(reply.decision_id)
            check(record.cost_usd == reply.cost_usd, "explain and answer differ")
            if reply.consensus is UNSET:
                explained += record.cost_usd or 0
        for member in self._members:
            explained += self._explain(member).cost_usd or 0
        ledger = sum((r.cost_usd or Decimal(0) for r in usage.rows), Decimal(0))
        names = [each.provider for each in self._status().providers]
        billed = sum((Decimal(self._stage.billed(n)) for n in names), Decimal(0))
        rows: list[Row] = [
            ["the ledger (usage)", f"${ledger:f}"],
            ["every decision (explain)", f"${explained:f}"],
            ["the pretend providers' own bills", f"${billed:f}"],
        ]
        say("\n" + indented(table(("who says", "total"), rows, no_colours)))
        check(ledger == explained == billed, "the figures differ")

    # ---- helpers

    def _call(self, method: str, **params: object) -> object:
        return self._connection.call(method, params, timeout_s=CALL_S)

    def _ask(self, prompt: str, **params: object) -> RouteReply:
        reply = typed(self._call("route", prompt=prompt, **params), RouteReply)
        self._asked.append(reply)
        check(bool(reply.content), "an empty answer")
        return reply

    def _explain(self, decision_id: str) -> RequestRecord:
        return typed(self._call("explain", decision_id=decision_id), RequestRecord)

    def _status(self) -> StatusResult:
        return typed(self._call("status"), StatusResult)

    def _provider(self, name: str) -> ProviderStatus:
        return next(p for p in self._status().providers if p.provider == name)

    def _all_priced(self) -> bool:
        found = typed(self._call("providers"), ProvidersResult).providers
        return all(m.input_price is not None for p in found for m in p.models)

    def _until(self, otherwise: str, done: Callable[[], bool]) -> None:
        limit = time.monotonic() + PATIENCE_S
        while not done():
            if time.monotonic() > limit:
                raise DemoFailed(otherwise)
            time.sleep(PAUSE_S)


def typed(value: object, kind: type[S]) -> S:
    """The result as what it must be."""
    check(isinstance(value, kind), f"{value!r} is no {kind.__name__}")
    assert isinstance(value, kind)
    return value


def check(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - reads like assert
    if not holds:
        raise DemoFailed(otherwise)


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - that is what a demo is for


def indented(text: str) -> str:
    return "\n".join(f"   {line}" for line in text.splitlines())


def usd(cost: Decimal | None) -> str:
    return "unknown" if cost is None else f"${cost:f}"


def show(running: Stage) -> None:
    """The whole demo against a started daemon."""
    say(f"gitbridge serve --simulate: ready after {running.ready_s:.2f} s\n")
    with connect([running.socket]) as connection:
        Show(running, connection).run()
