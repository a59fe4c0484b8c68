"""Features to come, and keys that contradict each other."""

import tomllib

import pytest

from daemon.config_load import settings_from
from daemon.config_rules import is_loopback, strategy_name
from daemon.exits import ConfigError

TOKEN = f'tokens = [{{ name = "t", sha256 = "{"0" * 64}" }}]'


def refusals(text: str) -> list[str]:
    try:
        settings_from(tomllib.loads(text), environ={})
    except ConfigError as error:
        return [each.sentence() for each in error.problems]
    return []


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[log]\nprompts = true", "log.prompts"),
    ],
)
def test_keys_to_come_are_refused_as_such(text: str, key: str) -> None:
    found = refusals(text)

    assert len(found) == 1
    assert found[0].startswith(key)
    assert found[0].endswith("is not supported yet")


@pytest.mark.parametrize(
    "text",
    [
        '[server]\nlisten = "4180"',
        '[server]\nlisten = "host:port"',
        '[server]\nlisten = "127.0.0.1:70000"',
    ],
)
def test_an_address_is_host_and_port(text: str) -> None:
    assert "wanted HOST:PORT" in refusals(text)[0]


def test_without_tokens_only_loopback_may_listen() -> None:
    text = '[server]\nlisten = "0.0.0.0:4180"\n[access]\n'

    assert "only a loopback address may listen" in refusals(text)[0]
    assert refusals(text + TOKEN) == []
    assert refusals('[server]\nlisten = "[::1]:4180"') == []


def test_token_names_are_unique_and_digests_are_hex() -> None:
    one = f'{{ name = "t", sha256 = "{"0" * 64}" }}'

    assert "wanted each name once" in refusals(f"[access]\ntokens=[{one},{one}]")[0]
    short = '[access]\ntokens = [{ name = "t", sha256 = "AB" }]'
    assert "access.tokens[0].sha256" in refusals(short)[0]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[breaker]\nopen_s = 20", "breaker.open_s: got 20, wanted at most"),
        ("[retry]\nbase_delay_s = 40", "retry.base_delay_s: got 40, wanted at most"),
        (
            "[providers.openai]\ncontext_window=10\nmax_tokens=20",
            "providers.openai.max_tokens: got 20, wanted at most context_window (10)",
        ),
    ],
)
def test_bounds_that_cross_are_refused(text: str, key: str) -> None:
    assert refusals(text)[0].startswith(key)


@pytest.mark.parametrize("url", ["ftp://h/v1", "h/v1", "https:///v1", "https://h/v1?x=1",
                                 "https://[::1/v1", "https://h:port/v1"])  # fmt: skip
def test_a_base_url_is_an_http_url(url: str) -> None:
    found = refusals(f'[providers.openai]\nbase_url = "{url}"')
    assert found[0].startswith(
        f'providers.openai.base_url: got "{url}", wanted http(s)'
    )


def test_a_base_url_with_a_password_is_not_shown() -> None:
    found = refusals('[providers.openai]\nbase_url = "https://u:pw@h/v1"')

    assert "pw" not in found[0].replace("password", "")
    assert "no user or password" in found[0]


def test_plain_http_is_for_loopback_unless_allowed() -> None:
    text = '[providers.openai]\nbase_url = "http://10.0.0.1/v1"\n'

    assert "plain http is for loopback" in refusals(text)[0]
    assert refusals(text + "allow_http = true") == []
    assert refusals('[providers.openai]\nbase_url = "http://localhost:1/v1"') == []


@pytest.mark.parametrize("name", ["auto", "consensus", "'a/b'", "'ü'", "'..'"])
def test_provider_names_can_be_file_and_model_names(name: str) -> None:
    assert "wanted a name of" in refusals(f'[providers.{name}]\nkind = "openai"')[0]


def test_a_discovering_server_needs_no_model_and_must_be_a_compatible_one() -> None:
    text = "[providers.x]\ndiscover = true\n"

    assert refusals(text + 'preset = "ollama"') == []
    assert "wanted model, models or discover = true" in "".join(
        refusals('[providers.x]\npreset = "ollama"')
    )
    [found] = refusals(text + 'kind = "openai"')
    assert found.startswith("providers.x.discover: got true, wanted only for compat")


def test_somebody_must_be_enabled() -> None:
    assert refusals("[providers.openai]\nenabled = false") == [
        "providers: none is enabled"
    ]


def test_task_rules_name_configured_providers() -> None:
    found = refusals('[providers.openai]\n[routing.tasks.t]\nproviders = ["x"]')
    said = 'got "x", wanted a configured provider: openai, chatgpt (file)'

    assert found == [f"routing.tasks.t.providers: {said}"]


@pytest.mark.parametrize("name", ["auto", "'a/b'", "'auto:x'", "openai", "''"])
def test_an_alias_must_be_reachable_by_its_name(name: str) -> None:
    found = refusals(f'[providers.openai]\n[models]\n{name} = ["openai"]')
    assert "that is no provider, auto or consensus" in found[0]


@pytest.mark.parametrize("candidate", ["nobody", "nobody/m", "openai/"])
def test_alias_candidates_name_configured_providers(candidate: str) -> None:
    found = refusals(f'[providers.openai]\n[models]\nfast = ["{candidate}"]')
    assert "alone or with /model" in found[0]


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('members = ["openai", "nobody/m"]', "consensus.members"),
        ("priors = { nobody = 0.5 }", "consensus.priors.nobody"),
        ('judge = "nobody/m"', "consensus.judge"),
    ],
)
def test_consensus_names_configured_providers(line: str, key: str) -> None:
    found = refusals(f"[providers.openai]\n[consensus]\n{line}")
    assert found[0].startswith(key)
    assert "alone or with /model" in found[0]


def test_comparing_by_embeddings_wants_a_threshold_of_its_own() -> None:
    found = refusals('[providers.openai]\n[consensus]\nembeddings = "m"')
    assert found[0].startswith("consensus.embeddings_threshold")
    assert "a cosine in (0, 1]" in found[0]
    for value in ("0.0", "1.5"):
        found = refusals(f"[consensus]\nembeddings_threshold = {value}")
        assert "consensus.embeddings_threshold" in found[0]


def test_an_alias_without_candidates_is_refused() -> None:
    assert "wanted at least one candidate" in refusals("[models]\nfast = []")[0]


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("performance_optimized", "performance"),
        ("Availability-Optimized", "availability"),
        ("RoundRobin", "round_robin"),
        (" hybrid ", "hybrid"),
        ("nonsense", "nonsense"),
    ],
)
def test_strategy_spellings(spelling: str, name: str) -> None:
    assert strategy_name(spelling) == name


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.8.0.1", True), ("[::1]", True), ("a.localhost", True), ("10.0.0.1", False),
     ("localhost.evil.example", False), ("example.com", False)],
)  # fmt: skip
def test_loopback_hosts(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_wrong_shapes_do_not_crash_the_rules() -> None:
    text = "providers = 3\nmodels = 4\nrouting = 5\naccess = { tokens = 6 }"
    assert len(refusals(text)) == 4


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[queue]\nurl = "redis://:pw-secret@h:x"', "a port is a number"),
        ('[queue]\nurl = "http://:pw-secret@h"', "wanted redis://"),
        ('[queue]\nuri = "redis://:pw-secret@h"', "did you mean url?"),
    ],
)
def test_what_is_wrong_with_an_address_is_said_without_its_password(
    text: str, said: str
) -> None:
    (found,) = refusals(text)

    assert said in found
    assert "***" in found
    assert "pw-secret" not in found


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ("", ["queue.url"]),
        ('url = "redis://h:6379"\nreplicas = 1', []),
        ('url = "redis+cluster://h:6379"', []),
        ('url = "redis+cluster://h:6379"\nreplicas = 1', ["queue.replicas"]),
    ],
)
def test_tasks_in_redis_want_to_know_where(more: str, found: list[str]) -> None:
    said = refusals(f'[queue]\nbackend = "redis"\n{more}')

    assert [line.partition(":")[0] for line in said] == found
