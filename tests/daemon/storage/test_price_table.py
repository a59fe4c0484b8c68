"""The compiled price list, against figures from the providers' price pages."""

import subprocess
import sys
from datetime import date
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path

import msgspec
import pytest

from actors.policy.pricing import Price, PriceBook, PriceTier
from daemon.storage import price_table
from daemon.storage.price_table import (
    PriceFile,
    PriceListUnavailable,
    compile_list,
    load,
)

TODAY = date(2026, 11, 20)
pytestmark = pytest.mark.slow

LISTED = version("genai-prices") == "0.2.3"


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("prices") / "state" / "prices.msgpack"
    assert price_table.main([str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def book(compiled: Path) -> PriceBook:
    kinds = {"openai", "xai", "anthropic", "gemini", "mistral", "deepseek"}
    rows = load(compiled, kinds, TODAY)
    assert rows is not None
    return PriceBook(rows)


def price(*figures: str | None, tiers: tuple[PriceTier, ...] = ()) -> Price:
    """Input, cached input, cache write, output; USD per million tokens."""
    base, cached, write, output = (f and Decimal(f) for f in figures)
    assert base
    assert output
    return Price(
        input=base,
        cached_input=cached or None,
        cache_write=write or None,
        output=output,
        tiers=tiers,
    )


@pytest.mark.skipif(not LISTED, reason="the figures are those of version 0.2.3")
@pytest.mark.parametrize(
    ("kind", "model", "wanted"),
    [
        ("openai", "gpt-4o", price("2.5", "1.25", None, "10")),
        ("openai", "gpt-4o-2024-08-06", price("2.5", "1.25", None, "10")),
        ("openai", "gpt-4o-2024-05-13", price("5", None, None, "15")),
        ("openai", "gpt-4o-mini", price("0.15", "0.075", None, "0.6")),
        ("openai", "o3-mini", price("1.1", "0.55", None, "4.4")),
        (
            "openai",
            "o3",
            price("2", "0.5", None, "8"),
        ),  # not the price before 2025-06-10
        ("xai", "grok-3-mini", price("0.3", "0.075", None, "0.5")),
        (
            "xai",
            "grok-4.5",
            price(
                *("2", "0.3", None, "6"),
                tiers=(
                    PriceTier(
                        prompt_tokens_over=199_999,
                        input=Decimal(4),
                        cached_input=Decimal("0.6"),
                        output=Decimal(12),
                    ),
                ),
            ),
        ),
    ],
)
def test_prices_are_what_the_providers_list(
    book: PriceBook, kind: str, model: str, wanted: Price
) -> None:
    assert book.lookup(kind, kind, model) == (wanted, "table")


@pytest.mark.skipif(not LISTED, reason="the figures are those of version 0.2.3")
def test_cache_writes_and_tiers_of_anthropic(book: PriceBook) -> None:
    listed, _ = book.lookup("claude", "anthropic", "claude-sonnet-4-5-20250929")

    assert listed == Price(
        input=Decimal(3),
        output=Decimal(15),
        cached_input=Decimal("0.3"),
        cache_write=Decimal("3.75"),
        cache_write_1h=Decimal(6),
        tiers=(
            PriceTier(
                prompt_tokens_over=200_000,
                input=Decimal(6),
                output=Decimal("22.5"),
                cached_input=Decimal("0.6"),
                cache_write=Decimal("7.5"),
                cache_write_1h=Decimal(12),
            ),
        ),
    )


@pytest.mark.parametrize(
    ("kind", "model"),
    [
        ("openai", "no-such-model"),
        ("deepseek", "deepseek-chat"),  # dearer at certain hours
        ("openai", "whisper-1"),  # by the hour
    ],
)
def test_what_the_prices_cannot_express_is_unknown(
    book: PriceBook, kind: str, model: str
) -> None:
    assert book.lookup(kind, kind, model) == (None, "unknown")


@pytest.mark.skipif(not LISTED, reason="the figures are those of version 0.2.3")
@pytest.mark.parametrize(
    ("kind", "model", "price"),
    [
        ("openai", "text-embedding-3-small", "0.02"),
        ("openai", "text-embedding-3-large", "0.13"),
        ("openai", "text-embedding-ada-002", "0.1"),
    ],
)
def test_embeddings_cost_their_prompt_and_nothing_else(
    book: PriceBook, kind: str, model: str, price: str
) -> None:
    listed, source = book.lookup(kind, kind, model)

    assert source == "table"
    assert listed is not None
    assert (listed.input, listed.output) == (Decimal(price), Decimal(0))


def test_what_was_left_out_is_said(compiled: Path) -> None:
    file = msgspec.msgpack.decode(compiled.read_bytes(), type=PriceFile)

    assert "deepseek/deepseek-chat" in file.left_out
    assert "openai/gpt-4o" not in file.left_out


def test_only_the_kinds_in_use_are_loaded(compiled: Path) -> None:
    rows = load(compiled, {"xai", "nonsense"}, TODAY)

    assert rows
    assert {row.provider for row in rows} == {"x-ai"}


@pytest.mark.parametrize(
    "change",
    [
        {"library": "0.0.1"},
        {"format": 0},
        {"good_until": TODAY},
    ],
    ids=["library", "format", "price change"],
)
def test_a_list_that_is_not_fresh_is_not_used(
    compiled: Path, tmp_path: Path, change: dict[str, object]
) -> None:
    file = msgspec.msgpack.decode(compiled.read_bytes(), type=PriceFile)
    path = tmp_path / "prices"
    path.write_bytes(msgspec.msgpack.encode(msgspec.structs.replace(file, **change)))

    assert load(path, {"openai"}, TODAY) is None


@pytest.mark.parametrize("content", [b"", b"\xc1", b"\x80"])
def test_a_list_that_cannot_be_read_is_not_used(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "prices"
    assert load(path, {"openai"}, TODAY) is None
    path.write_bytes(content)

    assert load(path, {"openai"}, TODAY) is None


async def test_the_child_compiles_what_the_parent_loads(
    compiled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the daemon was started: other packages may have the same names."""
    (tmp_path / "daemon.py").write_text("raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "new" / "prices"
    await compile_list(path)

    assert load(path, {"openai"}, TODAY) == load(compiled, {"openai"}, TODAY)


def test_the_daemon_does_not_pay_for_the_library() -> None:
    look = (
        "import sys, daemon.storage.price_table, daemon.storage.store;"
        "sys.exit('genai_prices' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", look], check=False).returncode == 0


async def test_a_child_that_fails_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(PriceListUnavailable, match=r"ended with 1: .*file"):
        await compile_list(tmp_path / "file" / "prices")


async def test_a_child_that_cannot_be_started_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))

    with pytest.raises(PriceListUnavailable, match="No such file"):
        await compile_list(tmp_path / "prices")


async def test_a_child_that_hangs_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = tmp_path / "python"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(slow))
    monkeypatch.setattr(price_table, "COMPILE_LIMIT_S", 0.1)

    with pytest.raises(PriceListUnavailable, match=r"more than 0\.1 s"):
        await compile_list(tmp_path / "prices")
