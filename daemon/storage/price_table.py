"""The price list: genai-prices, compiled once per version into a small file.

The library takes 0.3 s to import and 11 MB, so a short-lived child process does it
(``python -m daemon.storage.price_table OUT``) and the daemon reads the result.

What our prices cannot express is not guessed: models whose price depends on the time of
day, or that charge per call or for reasoning separately, are left out (``left_out``),
and their cost is unknown. Extra prices for audio, images and server-side tools are not
carried over: text costs what the list says, a call that uses those costs more. Models
for embeddings have no output, and so no price of it is listed: here it is 0.
"""

import asyncio
import os
import sys
from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from actors.errors import OurError
from actors.policy.pricing import Price, PriceTier, TableEntry
from daemon.installed import installed_version

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice, Provider

FORMAT = 2
COMPILE_LIMIT_S = 60.0

# Where our own packages are; -P keeps those of the working directory out.
_ROOT = Path(__file__).resolve().parents[2]
_INEXPRESSIBLE = ("requests_kcount", "output_reasoning_mtok", "output_citation_mtok")
_FIELDS = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cached_input": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
    "cache_write_1h": "cache_write_1h_mtok",
}
# Our kinds and presets -> the library's provider ids, where they differ.
_PROVIDER_IDS = {"xai": "x-ai", "gemini": "google"}


class PriceFile(Struct, frozen=True, kw_only=True):
    """The compiled list.

    ``rows`` holds, by provider, its rows still encoded: only those in use are decoded.
    ``good_until`` is the day (UTC) on which a listed price changes.
    """

    format: int
    library: str
    good_until: date | None
    left_out: tuple[str, ...]
    rows: dict[str, msgspec.Raw]


class PriceListUnavailable(OurError):
    """Raised when the price list could not be compiled; the message says why."""


def load(
    path: Path, kinds: Collection[str], today: date
) -> tuple[TableEntry, ...] | None:
    """The rows for these kinds and presets; ``None`` when there is no fresh file.

    Fresh is a file that this version of the library made, before a listed price
    changed. Anything unreadable is not fresh.
    """
    try:
        file = msgspec.msgpack.decode(path.read_bytes(), type=PriceFile)
        if not _fresh(file, today):
            return None
        wanted = {_PROVIDER_IDS.get(kind, kind) for kind in kinds}
        return tuple(
            row
            for provider, rows in file.rows.items()
            if provider in wanted
            for row in msgspec.msgpack.decode(rows, type=list[TableEntry])
        )
    except (OSError, msgspec.DecodeError):
        return None


async def compile_list(path: Path) -> None:
    """Compile the list in a child process.

    Raises:
        PriceListUnavailable: It could not be done; an older file stays.
    """
    try:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "daemon.storage.price_table", str(path)),
            env={**os.environ, "PYTHONPATH": str(_ROOT)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise PriceListUnavailable(f"the price list: {error}") from error
    try:
        async with asyncio.timeout(COMPILE_LIMIT_S):
            _, complaint = await child.communicate()
    except TimeoutError as error:
        raise PriceListUnavailable(
            f"compiling the price list took more than {COMPILE_LIMIT_S:g} s"
        ) from error
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode:
        lines = complaint.decode(errors="replace").strip().splitlines() or ["no output"]
        raise PriceListUnavailable(
            f"compiling the price list ended with {child.returncode}: {lines[-1][:300]}"
        )


def _fresh(file: PriceFile, today: date) -> bool:
    current = file.good_until is None or today < file.good_until
    return file.format == FORMAT and file.library == _library() and current


def _library() -> str:
    return installed_version("genai-prices") or "0"


def main(arguments: list[str]) -> int:
    """Write the compiled list to the one argument; runs in the child."""
    from genai_prices.data import providers  # noqa: PLC0415 - only the child pays for it

    now = datetime.now(UTC)  # noqa: TID251 - a process of its own has nobody to ask
    rows: dict[str, msgspec.Raw] = {}
    left_out: list[str] = []
    changes: list[date] = []
    for provider in providers:
        entries: list[TableEntry] = []
        for model in provider.models:
            changes += _changes_after(model, now.date())
            price = _price(model, now)
            if price is None:
                left_out.append(f"{provider.id}/{model.id}")
                continue
            names = _names(provider, model)
            entries += [TableEntry(provider.id, name, price) for name in names]
        rows[provider.id] = msgspec.Raw(msgspec.msgpack.encode(entries))
    file = PriceFile(
        format=FORMAT,
        library=_library(),
        good_until=min(changes, default=None),
        left_out=tuple(left_out),
        rows=rows,
    )
    target = Path(arguments[0])
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(target.name + ".new")
    draft.write_bytes(msgspec.msgpack.encode(file))
    draft.replace(target)
    return 0


def _changes_after(model: "ModelInfo", today: date) -> Iterator[date]:
    for conditional in model.prices if isinstance(model.prices, list) else ():
        start: date | None = getattr(conditional.constraint, "start_date", None)
        if start is not None and start > today:
            yield start


def _price(model: "ModelInfo", now: datetime) -> Price | None:
    """Today's price; ``None`` when it is not one that ours can express."""
    if isinstance(model.prices, list) and any(
        hasattr(conditional.constraint, "start_time") for conditional in model.prices
    ):
        return None
    listed = model.get_prices(now)
    if any(getattr(listed, key) is not None for key in _INEXPRESSIBLE):
        return None
    return _converted(listed, embeds="embed" in model.id)


def _converted(listed: "ModelPrice", *, embeds: bool) -> Price | None:
    base = {ours: _at(listed, key, 0) for ours, key in _FIELDS.items()}
    if embeds and base["output"] is None:
        base["output"] = Decimal(0)
    if base["input"] is None or base["output"] is None:
        return None
    tiers = [
        {
            "prompt_tokens_over": mark,
            **{ours: _at(listed, key, mark + 1) for ours, key in _FIELDS.items()},
        }
        for mark in _marks(listed)
    ]
    return Price(
        input=base["input"],
        output=base["output"],
        cached_input=base["cached_input"],
        cache_write=base["cache_write"],
        cache_write_1h=base["cache_write_1h"],
        tiers=msgspec.convert(tiers, tuple[PriceTier, ...]),
    )


def _marks(listed: "ModelPrice") -> list[int]:
    """Every prompt size above which some price changes."""
    return sorted(
        {
            tier.start
            for key in _FIELDS.values()
            for tier in getattr(getattr(listed, key), "tiers", ())
        }
    )


def _at(listed: "ModelPrice", key: str, prompt_tokens: int) -> Decimal | None:
    """US dollars per million tokens for a prompt of this size."""
    value = getattr(listed, key)
    price: Decimal | None = getattr(value, "base", value)
    for tier in getattr(value, "tiers", ()):  # in ascending order
        if prompt_tokens > tier.start:
            price = tier.price
    return price


def _names(provider: "Provider", model: "ModelInfo") -> list[str]:
    """The names this model goes by, without dates: those the list spells out."""
    spelled = {model.id, *_spelled(model.match)}
    return sorted(name for name in spelled if provider.find_model(name) is model)


def _spelled(clause: object) -> Iterator[str]:
    for part in getattr(clause, "or_", ()):
        yield from _spelled(part)
    name = getattr(clause, "equals", None)
    if name is not None:
        yield name
    prefix = getattr(clause, "starts_with", None)
    if prefix is not None:
        yield from (prefix, f"{prefix}-latest")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
