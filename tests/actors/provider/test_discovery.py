"""Models that are found, change and vanish, in virtual time."""

import anyio
import msgspec

from actors.errors import ProviderConnectionError
from actors.messages.routing import ErrorInfo
from actors.provider import ProviderSettings
from tests.support.fake_transport import Answer, FakeTransport, completion, refusal
from tests.support.small_house import SmallHouse, provider, small_house

AWAY = Answer(refuses=ProviderConnectionError("refused"))


def listing(*names: str) -> Answer:
    body = {"object": "list", "data": [{"id": name} for name in names]}
    return Answer([(0.0, msgspec.json.encode(body))])


def discovering(**given: object) -> dict[str, ProviderSettings]:
    fields = {"models": (), "discover": True, "probe": "models"} | given
    return {"one": provider("one", **fields)}


def served_by(*answers: Answer) -> FakeTransport:
    transport = FakeTransport(*(answers or (completion(),)))
    transport.models = AWAY
    return transport


def models(house: SmallHouse) -> list[str]:
    return [model.model for model in house.snapshot("one").models]


async def test_before_a_model_is_known_the_provider_is_left_out_and_says_why() -> None:
    transports = {"one": served_by(), "two": FakeTransport(completion())}
    async with small_house(transports, providers=discovering()) as house:
        answer = await house.answer()
        error = await house.error(provider="one")

    [excluded] = house.finished[0].decision.excluded
    assert answer.provider == "two"
    assert (excluded.target.provider, excluded.code) == ("one", "no_model")
    assert excluded.detail == "no model known yet"
    assert error.kind == "no_provider"
    assert "no model known yet of one" in error.message


async def test_a_server_that_starts_later_is_found_within_seconds() -> None:
    transport = served_by()
    given = discovering(probe_interval_s=3600.0)
    async with small_house({"one": transport}, providers=given) as house:
        await anyio.sleep(60)
        assert house.snapshot("one").default_model is None
        transport.models = listing("llama3.3", "qwen3")
        await anyio.sleep(6)

        assert house.snapshot("one").default_model == "llama3.3"
        assert models(house) == ["llama3.3", "qwen3"]
        await house.answer()
        await house.answer(model="qwen3")
        asked = [body["model"] for body in transport.bodies()]
        assert asked == ["llama3.3", "qwen3"]


async def test_models_that_vanish_are_dropped_and_new_ones_are_taken() -> None:
    transport = served_by()
    transport.models = listing("a", "b")
    async with small_house({"one": transport}, providers=discovering()) as house:
        await anyio.sleep(1)
        await house.answer(model="b")
        transport.models = listing("c", "a")
        await anyio.sleep(70)

        assert models(house) == ["a", "c"]
        assert house.snapshot("one").served == ("c", "a")
        error = await house.error(model="b")
        assert error.kind == "unknown_model"


async def test_a_model_that_vanishes_in_flight_is_dropped_when_its_call_ends() -> None:
    transport = served_by(Answer(completion().pieces, after_s=90.0))
    transport.models = listing("a", "b")
    async with (
        small_house({"one": transport}, providers=discovering()) as house,
        anyio.create_task_group() as group,
    ):
        await anyio.sleep(1)
        group.start_soon(lambda: house.answer(model="b"))
        await anyio.sleep(1)
        transport.models = listing("a")
        await anyio.sleep(70)
        assert models(house) == ["a", "b"]
        assert house.snapshot("one").models[1].in_flight == 1
        await anyio.sleep(60)

        assert models(house) == ["a"]


async def test_a_server_that_is_away_keeps_its_models_and_comes_back() -> None:
    transport = served_by()
    transport.models = listing("a")
    transports = {"one": transport, "two": FakeTransport(completion())}
    async with small_house(transports, providers=discovering()) as house:
        await anyio.sleep(1)
        transport.models = AWAY
        await anyio.sleep(70)
        assert house.snapshot("one").default_model == "a"
        assert house.snapshot("one").healthy is False
        assert (await house.answer()).provider == "two"
        transport.models = listing("a")
        await anyio.sleep(6)

        assert house.snapshot("one").healthy
        assert (await house.answer()).provider == "one"


async def test_models_are_looked_for_even_where_nothing_is_probed() -> None:
    transport = served_by()
    transport.models = listing("a")
    given = discovering(probe="none")
    async with small_house({"one": transport}, providers=given) as house:
        await anyio.sleep(1)

        assert models(house) == ["a"]


async def test_a_completion_probe_asks_the_model_that_was_found() -> None:
    transport = served_by()
    given = discovering(probe="completion")
    async with small_house({"one": transport}, providers=given) as house:
        assert not (await house.providers["one"].check_health()).healthy
        transport.models = listing()
        assert (await house.providers["one"].check_health()).probe == "models"
        transport.models = listing("a")
        result = await house.providers["one"].check_health()

        assert (result.probe, result.healthy) == ("completion", True)
        assert transport.bodies()[-1]["model"] == "a"


async def test_a_server_without_a_list_has_no_models_to_find() -> None:
    transport = served_by()
    transport.models = refusal(404)
    async with small_house({"one": transport}, providers=discovering()) as house:
        await anyio.sleep(1)

        assert house.snapshot("one").healthy
        assert isinstance(await house.ask(), ErrorInfo)
        answer = await house.answer(model="one/by-its-name")
        assert answer.provider == "one"


async def test_served_names_outlive_a_probe_that_fails() -> None:
    transport = served_by()
    transport.models = listing("a", "b")
    given = {"one": provider("one", models=("a",), probe="models")}
    async with small_house({"one": transport}, providers=given) as house:
        await anyio.sleep(1)
        transport.models = AWAY
        await anyio.sleep(70)

        assert house.snapshot("one").served == ("a", "b")
