"""What is different between two configurations, key by key."""

import re
import tomllib
from typing import Any

import pytest
from hypothesis import given, strategies as st
from msgspec import structs

from daemon.config import Config, Settings
from daemon.config_diff import (
    RESTART,
    as_started,
    diff,
    flat,
    origin_of,
    sentence,
)
from daemon.config_load import settings_from
from daemon.secret_parts import MASK
from ipc.control import SettingChange
from tests.support.documents import ROOT

PLAIN = '[providers.openai]\nmodel = "gpt-4o"\n'


def read(text: str, **environ: str) -> Settings:
    return settings_from(tomllib.loads(text), environ=environ)


def between(before: str, after: str, **environ: str) -> dict[str, SettingChange]:
    new = read(after, **environ)
    found = diff(read(before).config, new.config, new.origins)
    assert len({each.key for each in found}) == len(found)
    return {each.key: each for each in found}


def shown(changes: dict[str, SettingChange]) -> dict[str, tuple[object, object]]:
    return {key: (each.before, each.after) for key, each in changes.items()}


def test_a_changed_key_has_both_values_and_where_the_new_one_is_from() -> None:
    change = between(PLAIN, f"[routing]\nmax_attempts = 7\n{PLAIN}")
    assert change == {
        "routing.max_attempts": SettingChange(
            key="routing.max_attempts", before=4, after=7, origin="file"
        )
    }
    back = between(f"[routing]\nmax_attempts = 7\n{PLAIN}", PLAIN)
    assert back["routing.max_attempts"].origin == "default"
    forced = between(PLAIN, PLAIN, SMARTROUTER_STRATEGY="cost")
    assert forced["routing.strategy"].origin == "environment SMARTROUTER_STRATEGY"


def test_what_opens_doors_in_actions_is_not_shown() -> None:
    def events(token: str) -> str:
        action = (
            f'{{ do = "call_url", url = "https://hooks.example/a?token={token}",'
            f' headers = {{ Authorization = "Bearer {token}", Accept = "x" }} }}'
        )
        return (
            f'{PLAIN}[[events.github.rules]]\nactions = [{action}, {{ do = "post_comment" }}]\n'
            f'[actions.commands.c]\nargv = ["/bin/true"]\nenv = {{ A_TOKEN = "{token}", B = "seen" }}\n'
        )

    found = between(events("first-of-two"), events("second-of-two"))
    assert set(found) == {"events.github.rules", "actions.commands.c.env.A_TOKEN"}
    config = read(events("the-third")).config
    told = repr(shown(found)) + repr(
        [*flat(config.events, "events"), *flat(config.actions, "actions")]
    )
    for token in ("first-of-two", "second-of-two", "the-third"):
        assert token not in told
    assert "seen" in told
    assert "https://hooks.example/a?token=***" in told
    assert "'Accept': 'x'" in told


def test_a_password_in_an_address_is_never_shown() -> None:
    before = f'[queue]\nurl = "redis://:one-secret@h"\n{PLAIN}'
    change = between(before, before.replace("one-", "two-"))["queue.url"]

    assert change.before == change.after == "redis://:***@h"
    config = settings_from(tomllib.loads(before), environ={}).config
    assert dict(flat(config.queue, "queue"))["queue.url"] == "redis://:***@h"


def test_the_same_configuration_is_no_change_however_it_is_written() -> None:
    said = '[routing]\nstrategy = "hybrid"\nmax_attempts = 4\n[log]\nlevel = "info"\n'

    assert between(PLAIN, f"{said}{PLAIN}") == {}


def test_a_new_table_is_told_by_what_is_not_default_in_it() -> None:
    after = f'{PLAIN}[providers.box]\npreset = "ollama"\nmodel = "m"\n'
    added = between(PLAIN, f"{after}timeouts.idle_s = 9\n")
    expected = {
        "providers.box.kind": (None, "compatible"),
        "providers.box.preset": (None, "ollama"),
        "providers.box.base_url": (None, "http://localhost:11434/v1"),
        "providers.box.model": (None, "m"),
        "providers.box.models": (None, ("m",)),
        "providers.box.timeouts.idle_s": (None, 9.0),
    }

    assert shown(added) == expected
    removed = shown(between(f"{after}timeouts.idle_s = 9\n", PLAIN))
    assert removed == {k: (now, was) for k, (was, now) in expected.items()}


def test_a_table_of_defaults_is_told_by_its_name() -> None:
    """It means something: an empty rule drops a default one."""
    rule = f"[routing.tasks.poems]\n{PLAIN}"

    assert shown(between(PLAIN, rule)) == {"routing.tasks.poems": (None, {})}
    assert shown(between(rule, PLAIN)) == {"routing.tasks.poems": ({}, None)}
    more = f"[routing.tasks.poems]\nmax_tokens = 5\n{PLAIN}"
    assert shown(between(rule, more)) == {"routing.tasks.poems.max_tokens": (None, 5)}


def test_a_key_that_is_no_longer_set_has_no_value_after() -> None:
    with_key = f'{PLAIN}api_key_file = "/k"\nprice = {{ input = 1, output = 2 }}\n'
    changes = shown(between(with_key, PLAIN))

    assert changes["providers.openai.api_key_file"] == ("/k", None)
    assert {"providers.openai.price.input", "providers.openai.price.output"} < set(
        changes
    )
    assert "providers.openai.price" not in changes


def test_tokens_go_by_name_and_never_show_their_digest() -> None:
    def tokens(**digests: str) -> str:
        rows = ", ".join(
            f'{{ name = "{name}", sha256 = "{each * 64}" }}'
            for name, each in digests.items()
        )
        return f"[access]\ntokens = [{rows}]\n{PLAIN}"

    changes = between(tokens(ci="a", old="b"), tokens(new="c", ci="d"))

    assert shown(changes) == {
        "access.tokens.ci.sha256": (MASK, MASK),
        "access.tokens.new.name": (None, "new"),
        "access.tokens.new.sha256": (None, MASK),
        "access.tokens.old.name": ("old", None),
        "access.tokens.old.sha256": (MASK, None),
    }


def test_what_wants_a_restart_says_why() -> None:
    change = between(PLAIN, f'[ledger]\nsync = "full"\n{PLAIN}')["ledger.sync"]

    assert change.restart == RESTART["ledger.sync"]
    assert sentence(change) == 'ledger.sync: "normal" -> "full" (after a restart)'


def test_a_note_is_for_the_key_and_all_below_it() -> None:
    after = read(f"[routing]\nweights = {{ cost = 1, performance = 0 }}\n{PLAIN}")
    notes = {"routing.weights": "overridden"}
    found = diff(read(PLAIN).config, after.config, after.origins, notes)

    assert {each.note for each in found} == {"overridden"}
    assert {each.key.rpartition(".")[0] for each in found} == {"routing.weights"}


def test_one_line_a_change() -> None:
    changes = between(PLAIN, f'[server]\nlisten = "127.0.0.1:0"\n{PLAIN}')

    assert [sentence(each) for each in changes.values()] == [
        'server.listen: - -> "127.0.0.1:0" (after a restart)'
    ]


def test_a_value_inside_a_list_has_the_origin_of_the_list() -> None:
    assert origin_of("models.fast.candidates", {"models.fast": "file"}) == "file"
    assert origin_of("a.b", {}) == "default"


@pytest.mark.parametrize("key", RESTART)
def test_every_key_that_wants_a_restart_exists(key: str) -> None:
    config = Config()
    keys = {k for s in config.__struct_fields__ for k, _ in flat(getattr(config, s), s)}

    assert key in keys


def test_the_documentation_names_the_same_keys_and_reasons() -> None:
    page = (ROOT / "docs/configuration.md").read_text()
    table = page.partition("## Reloading")[2].partition("## Environment")[0]
    rows = re.findall(r"^\| `([a-z_.]+)` \| (.*) \|$", table, re.MULTILINE)

    assert dict(rows) == RESTART


FOLLOWED = {
    # section -> its keys that a reload follows one by one; None: all, as one settings
    "server": {"socket_mode", "drain_s", "max_requests", "max_waiting"},
    "access": {"admin_users", "admin_groups", "user_groups", "open_loopback", "tokens"},
    "health": {"interval_s", "probe", "max_latency_s"},
    "cache": {"enabled", "ttl_s", "max_bytes", "shared"},
    "budgets": {"usd_per_day", "per_user_usd_per_day"},
    "ledger": {"retention_days"},
    "threads": None,
    "log": {"level", "prompts"},  # prompts can only be off
    **dict.fromkeys(("routing", "retry", "breaker", "providers", "models")),
    "consensus": None,
    "events": {"classify", "github"},
    "actions": None,
    "queue": {"lease_s", "max_attempts", "concurrency", "keep_s", "types"},
}


def test_no_key_is_forgotten_by_a_reload() -> None:
    """A new one is followed by whoever reads it, or stands in ``RESTART``.

    ``House.reconfigure``, ``OpenDoors.configure`` and ``follow`` in ``app`` are where.
    """
    config = Config()
    assert set(FOLLOWED) == set(config.__struct_fields__)
    for section, followed in FOLLOWED.items():
        if followed is not None:
            waits = {
                key.partition(".")[2] for key in RESTART if key.startswith(section)
            }
            keys = set(getattr(config, section).__struct_fields__)
            assert keys == followed | waits, section
            assert not followed & waits


# Any two configurations ---------------------------------------------------------------

SECTIONS: dict[str, st.SearchStrategy[Any]] = {
    "server": st.fixed_dictionaries(
        {},
        optional={
            "drain_s": st.integers(0, 9),
            "socket": st.sampled_from(["/a", "/b"]),
            "listen": st.sampled_from(["127.0.0.1:1", "127.0.0.1:2"]),
        },
    ),
    "routing": st.fixed_dictionaries(
        {},
        optional={
            "max_attempts": st.integers(1, 5),
            "tasks": st.dictionaries(
                st.sampled_from("xyz"),
                st.fixed_dictionaries({}, optional={"max_tokens": st.integers(1, 3)}),
            ),
        },
    ),
    "ledger": st.fixed_dictionaries(
        {}, optional={"sync": st.sampled_from(["normal", "full"])}
    ),
    "providers": st.dictionaries(
        st.sampled_from(["openai", "grok", "claude"]),
        st.fixed_dictionaries(
            {},
            optional={
                "weight": st.integers(1, 3),
                "model": st.sampled_from(["m", "n"]),
                "limits": st.fixed_dictionaries(
                    {}, optional={"concurrency": st.integers(1, 3)}
                ),
            },
        ),
        min_size=1,
    ),
}
CONFIGS = st.fixed_dictionaries({}, optional=SECTIONS).map(
    lambda tree: settings_from(tree, environ={}).config
)


def every_value(config: Config) -> dict[str, object]:
    return {
        key: value
        for section in config.__struct_fields__
        for key, value in flat(getattr(config, section), section)
    }


@given(CONFIGS, CONFIGS)
def test_the_difference_is_what_has_other_values(before: Config, after: Config) -> None:
    old, new = every_value(before), every_value(after)
    told = {each.key: (each.before, each.after) for each in diff(before, after, {})}

    in_both = old.keys() & new.keys()
    assert {k for k in told if k in in_both} == {k for k in in_both if old[k] != new[k]}
    for key, (was, now) in told.items():
        empty = key.startswith("routing.tasks.") and key.count(".") == 2
        assert empty or (was, now) == (old.get(key), new.get(key))
    assert bool(told) == (before != after)


@given(CONFIGS, CONFIGS)
def test_back_again_is_the_other_way_round(before: Config, after: Config) -> None:
    there = {(x.key, str(x.before), str(x.after)) for x in diff(before, after, {})}
    back = {(x.key, str(x.after), str(x.before)) for x in diff(after, before, {})}

    assert there == back


@given(CONFIGS, CONFIGS)
def test_what_only_a_restart_changes_is_held_back(
    before: Config, after: Config
) -> None:
    effective = as_started(after, before)

    held = {each.key for each in diff(effective, after, {})}
    assert held <= RESTART.keys()
    assert not any(each.restart for each in diff(before, effective, {}))
    assert structs.replace(effective, server=after.server, ledger=after.ledger) == after
