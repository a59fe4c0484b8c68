"""Environment variables over the file."""

import pytest

from daemon.config_env import overlay, put, with_version


def over(
    environ: dict[str, str], data: dict[str, object] | None = None
) -> tuple[dict[str, object], dict[str, str], list[str]]:
    tree = data if data is not None else {}
    origins: dict[str, str] = {}
    problems = overlay(tree, environ, origins)
    return tree, origins, [each.sentence() for each in problems]


@pytest.mark.parametrize(
    ("variable", "text", "path", "value"),
    [
        ("SMARTROUTER_STRATEGY", "cost", ("routing", "strategy"), "cost"),
        ("SMARTROUTER_COST_WEIGHT", "0.5", ("routing", "weights", "cost"), 0.5),
        (
            "SMARTROUTER_PERFORMANCE_WEIGHT",
            "1",
            ("routing", "weights", "performance"),
            1,
        ),
        (
            "SMARTROUTER_AVAILABILITY_WEIGHT",
            " 2 ",
            ("routing", "weights", "availability"),
            2,
        ),
        ("SMARTROUTER_HEALTH_CHECK_INTERVAL", "30", ("health", "interval_s"), 30),
        ("SMARTROUTER_METRICS_WINDOW", "50", ("routing", "metrics_window"), 50),
    ],
)
def test_the_seeds_variables_go_to_their_keys(
    variable: str, text: str, path: tuple[str, ...], value: object
) -> None:
    tree, origins, problems = over({variable: text})
    found: object = tree
    for name in path:
        assert isinstance(found, dict)
        found = found[name]

    assert found == value
    assert origins == {".".join(path): f"environment {variable}"}
    assert problems == []


def test_an_empty_variable_is_not_set() -> None:
    assert over({"SMARTROUTER_STRATEGY": "", "OPENAI_MODEL": " "}) == ({}, {}, [])


def test_text_in_place_of_a_number_names_the_variable() -> None:
    _, _, problems = over({"SMARTROUTER_METRICS_WINDOW": "many"})

    said = 'got "many", wanted a number (environment SMARTROUTER_METRICS_WINDOW)'

    assert problems == [f"routing.metrics_window: {said}"]


@pytest.mark.parametrize(
    ("name", "kind", "environ", "model"),
    [
        ("openai", "openai", {"OPENAI_MODEL": "m"}, "m"),
        ("grok", "xai", {"XAI_MODEL": "m"}, "m"),
        ("grok", "xai", {"GROK_MODEL": "m"}, "m"),
        ("xai", "xai", {"XAI_MODEL": "m", "GROK_MODEL": "n"}, "m"),
        ("claude", "anthropic", {"ANTHROPIC_MODEL": "m"}, "m"),
        ("second", "openai", {"OPENAI_MODEL": "m"}, None),
        ("openai", "compatible", {"OPENAI_MODEL": "m"}, None),
    ],
)
def test_model_variables_apply_to_the_provider_of_that_name(
    name: str, kind: str, environ: dict[str, str], model: str | None
) -> None:
    table: dict[str, object] = {"kind": kind}
    over(environ, {"providers": {name: table}})

    assert table.get("model") == model


@pytest.mark.parametrize("url", ["http://h:1", "http://h:1/", "http://h:1/v1"])
def test_anthropics_base_url_is_taken_with_and_without_version(url: str) -> None:
    table: dict[str, object] = {"kind": "anthropic"}
    over({"ANTHROPIC_BASE_URL": url}, {"providers": {"claude": table}})

    assert table["base_url"] == "http://h:1/v1"
    assert with_version("http://h/v1/") == "http://h/v1"


def test_other_base_urls_are_taken_as_they_are() -> None:
    table: dict[str, object] = {"kind": "openai"}
    over({"OPENAI_BASE_URL": "http://h/x"}, {"providers": {"openai": table}})

    assert table["base_url"] == "http://h/x"


def test_sections_of_the_wrong_shape_are_left_to_the_check() -> None:
    data: dict[str, object] = {"routing": 3, "providers": {"openai": 4}}
    over({"SMARTROUTER_STRATEGY": "cost", "OPENAI_MODEL": "m"}, data)

    assert data == {"routing": 3, "providers": {"openai": 4}}


def test_put_makes_tables_on_the_way() -> None:
    data: dict[str, object] = {}
    put(data, ("a", "b", "c"), 1)

    assert data == {"a": {"b": {"c": 1}}}
