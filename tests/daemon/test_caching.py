"""What goes through the response cache, and what its configuration does to it."""

import tomllib

import msgspec
import pytest

from actors.messages.reuse import CacheUse
from actors.messages.routing import RouteResult
from daemon.caching import Caching, scope_of
from daemon.config import CacheConfig, Config
from daemon.config_load import settings_from
from daemon.storage.answers import MemoryAnswers
from daemon.telemetry import Telemetry
from tests.support.documents import ROOT, blocks
from tests.support.fake_transport import FakeTransport, completion
from tests.support.small_house import SmallHouse, ended, request, small_house


def config(**cache: object) -> Config:
    return msgspec.convert({"cache": cache}, Config)


def caching(house: SmallHouse, told: Config) -> Caching:
    repeats = MemoryAnswers(10_000)
    return Caching(
        *(house.system, told, house.router, house.desk, repeats), simulated=False
    )


async def asked(front: Caching, **given: object) -> bool:
    """Whether it was given another's answer."""
    result = await ended(front.route(request(**given)))
    assert isinstance(result, RouteResult), result
    return result.cached


async def test_while_it_is_off_nothing_is_started_for_it() -> None:
    async with small_house({"one": FakeTransport(completion())}) as house:
        front = caching(house, Config())
        before = len(house.system.statistics())
        for use in ("on", "refresh", None):
            assert not await asked(front, cache=use)

        assert len(house.system.statistics()) == before
        assert [figure.value for figure in front.figures()] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("use", "started"), [("off", False), ("on", True), (None, True)]
)
async def test_only_what_has_to_do_with_it_goes_there(
    use: CacheUse | None, *, started: bool
) -> None:
    async with small_house({"one": FakeTransport(completion())}) as house:
        front = caching(house, config(enabled=True))
        before = len(house.system.statistics())
        await asked(front, cache=use)

        assert (len(house.system.statistics()) > before) == started


async def test_a_key_is_heeded_while_the_cache_is_off() -> None:
    async with small_house({"one": FakeTransport(completion())}) as house:
        front = caching(house, Config())

        assert not await asked(front, idempotency_key="k")
        assert await asked(front, idempotency_key="k")


async def test_it_says_what_it_holds_and_what_it_missed() -> None:
    async with small_house({"one": FakeTransport(completion())}) as house:
        front = caching(house, config(enabled=True))
        await asked(front, prompt="one")
        await asked(front, prompt="one")
        await asked(front, prompt="two")
        figures = {figure.name: figure.value for figure in front.figures()}
        front.configure(config(enabled=True, max_bytes=1_000))
        smaller = {figure.name: figure.value for figure in front.figures()}

    assert figures["cache_entries"] == 2
    assert figures["cache_misses_total"] == 2
    assert figures["cache_bytes"] > 2 * 256
    assert smaller["cache_entries"] == 1
    assert smaller["cache_evictions_total"] == 1


async def test_a_reload_holds_for_what_comes_next() -> None:
    async with small_house({"one": FakeTransport(completion())}) as house:
        front = caching(house, config(enabled=True))
        await asked(front)
        front.configure(config(enabled=False))
        off = await asked(front)
        front.configure(config(enabled=True))
        on = await asked(front)

    assert (off, on) == (False, True)


CHANGES: list[dict[str, object]] = [
    {"providers": {"own": {"kind": "compatible", "base_url": "http://localhost/v1"}}},
    {"providers": {"openai": {"kind": "openai", "model": "gpt-5"}}},
    {"models": {"fast": {"candidates": ["openai"]}}},
    {"routing": {"tasks": {"poem": {"providers": ["claude"]}}}},
    {"consensus": {"quorum": 3}},
]


def test_what_decides_about_answers_is_in_the_scope() -> None:
    scopes = {
        scope_of(msgspec.convert(each, Config), simulated=False) for each in CHANGES
    }
    scopes |= {scope_of(Config(), simulated=simulated) for simulated in (True, False)}

    assert len(scopes) == len(CHANGES) + 2


@pytest.mark.parametrize(
    "change",
    [
        {"cache": {"ttl_s": 5}},
        {"routing": {"strategy": "cost"}},
        {"log": {"level": "debug"}},
        {"server": {"drain_s": 1}},
    ],
)
def test_what_does_not_is_not(change: dict[str, object]) -> None:
    changed = msgspec.convert(change, Config)

    assert scope_of(changed, simulated=False) == scope_of(Config(), simulated=False)


PAGE = "docs/cache.md"


def test_the_example_of_the_page_is_a_configuration() -> None:
    (example,) = blocks(PAGE, "toml")
    told = settings_from(tomllib.loads(example), environ={}).config.cache

    assert told == msgspec.structs.replace(CacheConfig(), enabled=True)


async def test_every_figure_is_on_the_page() -> None:
    async with small_house({"one": FakeTransport(completion())}) as house:
        front = caching(house, config(enabled=True))
        await asked(front)
        names = {figure.name for figure in front.figures()}
    names |= {each.name for each in (Telemetry().cache_hits, Telemetry().cache_saved)}

    text = (ROOT / PAGE).read_text()
    assert [name for name in names if name not in text] == []
