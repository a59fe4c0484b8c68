"""The answers to ``reload`` and ``drain`` survive both framings."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from ipc.control import DrainResult, ProviderChange, ReloadResult, SettingChange

VALUES: list[object] = [None, 7, 0.5, "cost", ["a", "b"], {}, True]


@pytest.mark.parametrize("codec", [msgspec.json, msgspec.msgpack])
def test_any_value_of_a_configuration_can_be_shown(codec: Any) -> None:
    changes = tuple(
        SettingChange(key=f"a.b{n}", before=value, after=VALUES[-n], origin="file")
        for n, value in enumerate(VALUES)
    )
    result = ReloadResult(
        path="/c",
        changes=changes,
        providers=(ProviderChange(provider="grok", change="removed"),),
        restart_needed=("a.b0",),
    )

    assert codec.decode(codec.encode(result), type=ReloadResult) == result


def test_money_is_shown_as_a_number_or_its_text() -> None:
    change = SettingChange(key="p", before=None, after=Decimal("0.15"), origin="file")

    assert b'"0.15"' in msgspec.json.encode(change)


def test_a_drain_says_how_long_it_may_take() -> None:
    result = DrainResult(in_flight=2, drain_s=30.0)

    assert msgspec.json.encode(result) == b'{"in_flight":2,"drain_s":30.0}'
