"""What each compatible server is declared to be shows in the requests it gets."""

from typing import Any

import msgspec
import pytest

from actors.errors import InvalidRequest
from actors.messages.chat import (
    ChatRequest,
    Message,
    ReasoningEffort,
    ResponseFormat,
    Tool,
)
from actors.wire.base import EncodedChat, Endpoint
from actors.wire.catalogue import dialect_for
from actors.wire.presets import PRESETS

USER = (Message("user", "hi"),)
EVERYTHING = ChatRequest(
    messages=(Message("developer", "be brief"), Message("user", "hi", name="ann")),
    max_tokens=5,
    temperature=0.5,
    stop=("x",),
    seed=7,
    user="u",
    tools=(Tool("t", parameters={"type": "object"}, strict=True),),
    response_format=ResponseFormat("json_object"),
    extra={"logprobs": True, "frequency_penalty": 0.1},
)


def sent(preset: str, request: ChatRequest, *, model: str = "m") -> EncodedChat:
    base = PRESETS[preset].base_url or "https://res.openai.azure.com"
    endpoint = Endpoint(base_url=base, api_key="k")
    return dialect_for(preset).encode_chat(endpoint, model, request, stream=True)


def body(encoded: EncodedChat) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.json.decode(encoded.http.body)
    return decoded


@pytest.mark.parametrize(
    ("preset", "url"),
    [
        ("groq", "https://api.groq.com/openai/v1/chat/completions"),
        ("mistral", "https://api.mistral.ai/v1/chat/completions"),
        ("deepseek", "https://api.deepseek.com/chat/completions"),
        ("openrouter", "https://openrouter.ai/api/v1/chat/completions"),
        ("together", "https://api.together.xyz/v1/chat/completions"),
        ("perplexity", "https://api.perplexity.ai/chat/completions"),
        ("cerebras", "https://api.cerebras.ai/v1/chat/completions"),
        ("huggingface", "https://router.huggingface.co/v1/chat/completions"),
        ("zai", "https://api.z.ai/api/paas/v4/chat/completions"),
        ("vercel", "https://ai-gateway.vercel.sh/v1/chat/completions"),
        (
            "gemini",
            "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions",
        ),
        ("azure", "https://res.openai.azure.com/openai/v1/chat/completions"),
        ("ollama", "http://localhost:11434/v1/chat/completions"),
        ("vllm", "http://localhost:8000/v1/chat/completions"),
        ("llamacpp", "http://localhost:8080/v1/chat/completions"),
    ],
)
def test_each_is_asked_where_it_is(preset: str, url: str) -> None:
    assert sent(preset, ChatRequest(messages=USER)).http.url == url


@pytest.mark.parametrize("preset", list(PRESETS))
def test_the_key_goes_into_the_right_header(preset: str) -> None:
    headers = sent(preset, ChatRequest(messages=USER)).http.headers

    key = {k: v for k, v in headers.items() if k in ("authorization", "api-key")}
    azure = {"api-key": "k"}
    assert key == (azure if preset == "azure" else {"authorization": "Bearer k"})


@pytest.mark.parametrize("preset", list(PRESETS))
def test_the_cap_goes_into_the_right_field(preset: str) -> None:
    wire = body(sent(preset, EVERYTHING))

    field = "max_completion_tokens" if preset == "azure" else "max_tokens"
    assert {k: v for k, v in wire.items() if k.startswith("max_")} == {field: 5}


@pytest.mark.parametrize("preset", list(PRESETS))
def test_usage_is_asked_for_where_it_does_not_come_by_itself(preset: str) -> None:
    wire = body(sent(preset, EVERYTHING))

    by_itself = preset in ("mistral", "perplexity")
    asked = None if by_itself else {"include_usage": True}
    assert wire.get("stream_options") == asked


@pytest.mark.parametrize(
    ("preset", "dropped"),
    [
        ("groq", {"messages.name", "logprobs"}),
        ("mistral", {"messages.name", "user", "logprobs"}),
        ("cerebras", {"frequency_penalty"}),
        ("gemini", {"tools.strict", "frequency_penalty"}),
        ("together", set()),
        ("openrouter", set()),
        ("vllm", set()),
    ],
)
def test_what_a_server_refuses_is_left_out_and_said(
    preset: str, dropped: set[str]
) -> None:
    encoded = sent(preset, EVERYTHING)
    wire = body(encoded)

    assert set(encoded.dropped) == dropped
    assert not dropped & wire.keys()
    assert ("name" in wire["messages"][-1]) is ("messages.name" not in dropped)


def test_mistral_has_its_own_word_for_seed() -> None:
    wire = body(sent("mistral", EVERYTHING))

    assert wire["random_seed"] == 7
    assert "seed" not in wire


@pytest.mark.parametrize("preset", list(PRESETS))
def test_only_azure_knows_developers(preset: str) -> None:
    role = body(sent(preset, EVERYTHING))["messages"][0]["role"]

    assert role == ("developer" if preset == "azure" else "system")


def test_openrouter_is_told_who_asks() -> None:
    headers = sent("openrouter", ChatRequest(messages=USER)).http.headers

    assert headers["x-title"] == "GitBridge SmartRouter"


def test_an_answer_with_a_schema_is_not_asked_of_deepseek() -> None:
    form = ResponseFormat("json_schema", schema={"type": "object"})

    with pytest.raises(InvalidRequest, match="deepseek takes no JSON schema") as raised:
        sent("deepseek", ChatRequest(messages=USER, response_format=form))
    assert raised.value.field == "response_format"


@pytest.mark.parametrize(
    ("preset", "model", "asked", "said"),
    [
        ("groq", "openai/gpt-oss-120b", "low", {"reasoning_effort": "low"}),
        ("groq", "openai/gpt-oss-120b", "xhigh", {}),
        ("groq", "qwen/qwen3-32b", "none", {"reasoning_effort": "none"}),
        ("groq", "qwen/qwen3-32b", "high", {"reasoning_effort": "default"}),
        ("groq", "llama-3.3-70b-versatile", "high", {"reasoning_effort": "high"}),
        ("deepseek", "deepseek-v4-pro", "minimal", {"reasoning_effort": "low"}),
        ("deepseek", "deepseek-v4-pro", "medium", {"reasoning_effort": "high"}),
        ("deepseek", "deepseek-v4-pro", "max", {"reasoning_effort": "max"}),
        ("deepseek", "deepseek-flash", "none", {"thinking": {"type": "disabled"}}),
        ("gemini", "gemini-3.8-flash", "minimal", {"reasoning_effort": "minimal"}),
        ("gemini", "gemini-3.8-flash", "max", {}),
        ("ollama", "gpt-oss", "none", {"reasoning_effort": "none"}),
    ],
)
def test_effort_is_said_in_the_servers_own_words(
    preset: str, model: str, asked: ReasoningEffort, said: dict[str, object]
) -> None:
    request = ChatRequest(messages=USER, reasoning_effort=asked)
    encoded = sent(preset, request, model=model)

    wire = body(encoded)
    fields = ("reasoning_effort", "thinking")
    assert {k: v for k, v in wire.items() if k in fields} == said
    assert encoded.dropped == (() if said else ("reasoning_effort",))


def test_azure_deployments_are_asked_by_version() -> None:
    endpoint = Endpoint(
        base_url="https://res.openai.azure.com", api_key="k", api_version="2024-10-21"
    )
    dialect = dialect_for("azure")
    urls = [
        dialect.encode_chat(
            endpoint, model, ChatRequest(messages=USER), stream=False
        ).http.url
        for model in ("one", "two")
    ]

    assert urls == [
        f"https://res.openai.azure.com/openai/deployments/{name}"
        "/chat/completions?api-version=2024-10-21"
        for name in ("one", "two")
    ]
    assert dialect.encode_models(endpoint).url == (
        "https://res.openai.azure.com/openai/models?api-version=2024-10-21"
    )


# Going on from the beginning of an answer

GOES_ON = ChatRequest(messages=(*USER, Message("assistant", "It")), continues=True)


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_who_goes_on_says_so_in_its_own_way_and_others_are_not_asked(
    preset: str,
) -> None:
    endpoint = Endpoint(base_url=PRESETS[preset].base_url or "https://x", api_key="k")
    way = dialect_for(preset).continues_as(endpoint, "m")
    expected = {
        **dict.fromkeys(("groq", "openrouter", "ollama", "llamacpp"), "appended"),
        "vllm": "appended",
        "mistral": "echoed",
    }

    assert way == expected.get(preset, "none")
    if way == "none" and preset != "deepseek":
        with pytest.raises(InvalidRequest, match="do not go on"):
            sent(preset, GOES_ON)
        return
    wire = body(sent(preset, GOES_ON))
    marks = {"prefix": True} if preset in {"mistral", "deepseek"} else {}
    assert wire["messages"][-1] == {"role": "assistant", "content": "It"} | marks
    assert wire.get("continue_final_message", False) is (preset == "vllm")
    assert wire.get("add_generation_prompt", True) is (preset != "vllm")


def test_deepseek_goes_on_under_its_beta_address() -> None:
    beta = Endpoint(base_url="https://api.deepseek.com/beta", api_key="k")

    assert dialect_for("deepseek").continues_as(beta, "m") == "echoed"


def test_an_ordinary_last_message_of_the_assistant_has_no_marks() -> None:
    plain = ChatRequest(messages=GOES_ON.messages)

    assert "prefix" not in body(sent("mistral", plain))["messages"][-1]
    assert "continue_final_message" not in body(sent("vllm", plain))


@pytest.mark.parametrize(
    ("kind", "way"),
    [("compatible", "appended"), ("mistral", "echoed"), ("anthropic", "appended")],
)
def test_a_server_may_be_said_to_go_on(kind: str, way: str) -> None:
    endpoint = Endpoint(base_url="http://x", api_key="k")
    dialect = dialect_for(kind, prefix=True)

    assert dialect.continues_as(endpoint, "claude-haiku-4-5") == way
