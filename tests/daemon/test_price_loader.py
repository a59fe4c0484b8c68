"""Prices are loaded at start, compiled when stale, and missed out loud."""

from decimal import Decimal
from pathlib import Path

import anyio
import pytest

from actors.policy.pricing import Price, PriceBook, TableEntry
from daemon import price_loader
from daemon.price_loader import PriceLoader
from daemon.storage.price_table import PriceListUnavailable

ROWS = (TableEntry("openai", "gpt-4o", Price(input=Decimal(2), output=Decimal(8))),)


class FakeList:
    """Stands for the compiled list: there or not, and compilable or not."""

    def __init__(self, *, there: bool = False, error: str | None = None) -> None:
        self.there = there
        self.installed: Path | None = None
        self.error = error
        self.compiled = 0

    def load(
        self, path: Path, kinds: object, today: object
    ) -> tuple[TableEntry, ...] | None:
        return ROWS if self.there or path == self.installed else None

    async def compile_list(self, path: Path) -> None:
        self.compiled += 1
        if self.error is not None:
            raise PriceListUnavailable(self.error)
        self.there = True


@pytest.fixture
def prices(monkeypatch: pytest.MonkeyPatch) -> FakeList:
    fake = FakeList()
    monkeypatch.setattr(price_loader, "load", fake.load)
    monkeypatch.setattr(price_loader, "compile_list", fake.compile_list)
    return fake


async def run_once(loader: PriceLoader) -> None:
    with anyio.move_on_after(0.05):
        await loader.run()


def price_of(book: PriceBook) -> Price | None:
    return book.lookup("openai", "openai", "gpt-4o")[0]


async def test_a_fresh_list_is_taken_as_it_is(prices: FakeList, tmp_path: Path) -> None:
    prices.there = True
    book = PriceBook()
    loader = PriceLoader(book, tmp_path, {"openai"})
    await run_once(loader)

    assert prices.compiled == 0
    assert price_of(book) == ROWS[0].price
    assert loader.findings() == ()


async def test_kinds_that_come_later_have_their_prices_at_once(
    prices: FakeList, tmp_path: Path
) -> None:
    prices.there = True
    book = PriceBook()
    loader = PriceLoader(book, tmp_path, ())
    loader.include(())
    assert price_of(book) is None
    loader.include({"openai"})

    assert price_of(book) == ROWS[0].price


async def test_a_missing_list_is_compiled_and_said_meanwhile(
    prices: FakeList, tmp_path: Path
) -> None:
    book = PriceBook()
    loader = PriceLoader(book, tmp_path, {"openai"})
    before = loader.findings()
    await run_once(loader)

    assert [c.code for c in before] == ["prices_unknown"]
    assert prices.compiled == 1
    assert price_of(book) == ROWS[0].price
    assert loader.findings() == ()


async def test_the_installations_list_serves_the_first_start(
    prices: FakeList, tmp_path: Path
) -> None:
    prices.installed = price_loader.INSTALLED
    book = PriceBook()
    loader = PriceLoader(book, tmp_path, {"openai"})

    assert loader.load_compiled()
    assert price_of(book) == ROWS[0].price
    version = book.version
    await run_once(loader)
    assert (prices.compiled, book.version) == (0, version)


async def test_a_list_that_cannot_be_compiled_leaves_costs_unknown_and_says_so(
    prices: FakeList, tmp_path: Path
) -> None:
    prices.error = "no disk"
    book = PriceBook()
    loader = PriceLoader(book, tmp_path, {"openai"})
    await run_once(loader)

    (finding,) = loader.findings()
    assert finding.code == "prices_unknown"
    assert finding.values == {"error": "no disk"}
    assert price_of(book) is None
