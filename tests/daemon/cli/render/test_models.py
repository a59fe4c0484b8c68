"""``gitbridge models`` for people."""

from decimal import Decimal

import pytest

from daemon.cli.render.models import abilities, models
from daemon.cli.render.table import no_colours
from ipc.listing import ModelRow, ModelsResult

AUTO = (
    ModelRow(name="auto", kind="auto"),
    ModelRow(name="auto:cost", kind="auto", strategy="cost"),
)
KNOWN = ModelRow(
    name="openai/gpt-4o",
    kind="model",
    provider="openai",
    model="gpt-4o",
    default=True,
    input_price=Decimal("2.5"),
    output_price=Decimal(10),
    cached_input_price=Decimal("1.25"),
    price_source="table",
    context_window=128_000,
    max_output_tokens=16_384,
    tools=True,
    vision=True,
    json_schema=True,
    reasoning=False,
    retires_at="2027-01-14",
)
UNKNOWN = ModelRow(name="local/mine", kind="model", provider="local", simulated=True)


def rendered(*rows: ModelRow) -> list[str]:
    return models(ModelsResult(rows), no_colours).splitlines()


def test_names_come_first_and_then_the_table() -> None:
    fast = ModelRow(
        name="fast", kind="alias", candidates=("a/b", "c"), strategy="priority"
    )
    lines = rendered(*AUTO, fast, KNOWN, UNKNOWN)

    assert lines[:3] == [
        "auto names: auto, auto:cost",
        "alias fast (priority): a/b, c",
        "",
    ]
    assert lines[3].split("  ")[0] == "provider/model"
    assert lines[4].split() == [
        *("openai/gpt-4o", "*", "$2.50", "$1.25", "$10.00", "128,000", "16,384"),
        *("table", "tools", "vision", "json", "2027-01-14"),
    ]
    assert lines[5].split() == [
        *("local/mine", "(simulated)", "-", "-", "-", "-", "-", "unknown", "-", "-")
    ]


def test_without_models_it_says_so() -> None:
    assert rendered(*AUTO)[-1] == "no models"


def test_control_characters_of_others_do_not_reach_the_terminal() -> None:
    alias = ModelRow(name="a\x1b[2J", kind="alias", candidates=("b\n",))
    text = "\n".join(rendered(*AUTO, alias))

    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("able", "said"), [(None, "-"), (False, "none"), (True, "tools")]
)
def test_what_is_not_known_is_not_what_is_lacking(able: bool | None, said: str) -> None:
    assert abilities(ModelRow(name="m", kind="model", tools=able)) == said
