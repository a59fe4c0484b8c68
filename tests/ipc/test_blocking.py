"""The client without an event loop: the sync face of the other one."""

import inspect
from collections.abc import Iterator

import pytest

from actors.errors import DeadlineExceeded, InvalidRequest, NoProvider
from actors.messages.routing import Weights
from ipc import client as other_face
from ipc.blocking import Client, DaemonUnreachable, connect, details
from ipc.control import DrainResult, ProviderChange, ReloadResult, SettingChange
from ipc.explanation import Explanation
from ipc.listing import ModelsResult
from ipc.results import (
    HealthResult,
    HistoryResult,
    MetricsResult,
    ProvidersResult,
    StatusResult,
    StrategyResult,
    UsageResult,
)
from tests.support.door import drained, short_folder
from tests.support.records import record
from tests.support.threaded_door import ThreadedDoor

STATUS = StatusResult(
    version="1",
    pid=1,
    started_at=0.0,
    uptime_s=1.0,
    ready=True,
    strategy="hybrid",
    weights=Weights(),
    in_flight=0,
    providers=(),
)
EXPLAINED = Explanation.of(record(1))
METRICS = MetricsResult(
    requests=0,
    failures=0,
    prompt_tokens=0,
    completion_tokens=0,
    cost_usd=None,
    unpriced_calls=0,
    providers=(),
)
STRATEGY = StrategyResult("cost", Weights(), overridden=True)
RELOADED = ReloadResult(
    path="/c",
    changes=(SettingChange(key="a.b", before=None, after=7, origin="file"),),
    providers=(ProviderChange(provider="openai", change="added"),),
)
DRAINED = DrainResult(in_flight=1, drain_s=2.0)


@pytest.fixture
def there() -> Iterator[ThreadedDoor]:
    threaded = ThreadedDoor()
    yield threaded
    threaded.stop()


@pytest.fixture
def client(there: ThreadedDoor) -> Iterator[Client]:
    with Client([there.door.path]) as connected:
        yield connected


def test_a_prompt_is_answered(there: ThreadedDoor, client: Client) -> None:
    reply = client.route("hello", strategy="cost", timeout_s=5)

    assert reply.content == "hello"
    assert str(reply.cost_usd) == "0.000125"
    assert there.door.service.handles[0].request.strategy == "cost"


def test_an_answer_is_streamed(client: Client) -> None:
    with client.stream("one two", timeout_s=5) as answer:
        assert [piece.content for piece in answer] == ["one ", "two "]

    assert answer.result.content == "one two"


def test_leaving_a_stream_cancels_the_request(
    there: ThreadedDoor, client: Client
) -> None:
    service = there.door.service
    service.hold = True
    with client.stream("x"):
        there.wait(service.arrived(1))
    there.wait(service.handles[0].stopped())
    service.hold = False

    assert client.route("still there").content == "still there"


def test_a_call_ends_a_stream_that_is_still_open(
    there: ThreadedDoor, client: Client
) -> None:
    service = there.door.service
    service.hold = True
    answer = client.stream("x")
    there.wait(service.arrived(1))
    service.hold = False
    assert client.route("next").content == "next"
    there.wait(service.handles[0].stopped())

    assert list(answer) == []


def test_a_silent_daemon_is_given_up_and_the_request_cancelled(
    there: ThreadedDoor, client: Client
) -> None:
    service = there.door.service
    service.hold = True
    with pytest.raises(DeadlineExceeded):
        client.route("x", timeout_s=0.2)

    there.wait(service.handles[0].stopped())


def test_errors_are_those_of_the_tree_with_their_details(
    there: ThreadedDoor, client: Client
) -> None:
    there.door.service.refusal = NoProvider("nobody", retry_after_s=4.0)
    with pytest.raises(NoProvider, match="nobody") as caught:
        client.route("x")
    found = details(caught.value)
    assert found is not None
    assert (found.kind, found.retry_after_s) == ("no_provider", 4.0)
    with pytest.raises(InvalidRequest) as wrong:
        client.route("x", temperature="hot")

    assert wrong.value.field == "temperature"


def test_a_connection_lost_while_idle_is_made_again(
    there: ThreadedDoor, client: Client
) -> None:
    client.route("x")
    there.wait(drained(there.door.native, 0))

    assert client.route("again").content == "again"
    client.close()
    assert client.route("and again").content == "and again"


def test_without_a_daemon_it_says_where_it_looked() -> None:
    folder = short_folder()
    with pytest.raises(DaemonUnreachable, match="no daemon answers on") as caught:
        Client([folder / "s"]).status()
    folder.rmdir()

    assert details(caught.value) is None


def test_the_methods_have_names_and_types(there: ThreadedDoor, client: Client) -> None:
    there.door.service.answers |= {
        "status": STATUS,
        "providers": ProvidersResult(()),
        "models": ModelsResult(()),
        "metrics": METRICS,
        "history": HistoryResult(()),
        "explain": EXPLAINED,
        "usage": UsageResult("model", None, ()),
        "health.check": HealthResult(healthy=True, providers=()),
        "strategy.get": STRATEGY,
        "strategy.set": STRATEGY,
        "reload": RELOADED,
        "drain": DRAINED,
    }

    assert client.status() == STATUS
    assert client.providers() == ProvidersResult(())
    assert client.models() == ModelsResult(())
    assert client.metrics() == METRICS
    assert client.history(limit=5) == HistoryResult(())
    assert client.explain("r1") == EXPLAINED
    assert client.explain("r1", all=True) == EXPLAINED
    assert client.usage(by="model") == UsageResult("model", None, ())
    assert client.health(provider="x").healthy
    assert client.strategy() == STRATEGY
    assert client.set_strategy("cost") == client.set_strategy(None) == STRATEGY
    assert client.reload() == RELOADED
    assert client.drain() == DRAINED


def test_one_can_wait_until_the_daemon_hangs_up(there: ThreadedDoor) -> None:
    there.door.service.answers["status"] = STATUS
    with connect([there.door.path]) as connection:
        connection.call("status")
        there.wait(drained(there.door.native, 0))

        connection.wait_for_end()

        assert connection.lost


def test_both_faces_are_the_same() -> None:
    def named(kind: type) -> dict[str, list[str]]:
        return {
            name.replace("aclose", "close"): list(inspect.signature(f).parameters)
            for name, f in inspect.getmembers(kind, inspect.isfunction)
            if not name.startswith("_")
        }

    ours, theirs = named(Client), named(other_face.Client)
    assert ours.pop("stream") == [
        *theirs.pop("stream")[:2],
        "timeout_s",
        "params",
    ]  # there `asyncio.timeout` does it
    assert ours.pop("subscribe") == [*theirs.pop("subscribe"), "timeout_s"]
    assert ours == theirs
