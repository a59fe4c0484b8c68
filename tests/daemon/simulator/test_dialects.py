"""Our dialects and transport against the pretend providers, which share no code."""

from collections.abc import AsyncIterator, Sequence
from decimal import Decimal

import pytest

from actors.errors import ProviderError
from actors.messages.chat import (
    ChatRequest,
    Completion,
    Delta,
    Message,
    ReasoningEffort,
    ResponseFormat,
    Tool,
    ToolCall,
    ToolChoice,
)
from actors.messages.provider import Failure
from actors.transport import AiohttpTransport
from actors.wire.base import Endpoint, Timeouts
from actors.wire.catalogue import dialect_for
from daemon.simulator import Fault, Kind, SimulatedProvider, simulate
from daemon.simulator.answer import prompt_hash
from daemon.simulator.catalogue import DEFAULTS

MODELS: list[tuple[Kind, str]] = [
    (kind, model.id)
    for kind, default in DEFAULTS.items()
    for model in default.models
    if not model.dimensions
]
FIRST: list[tuple[Kind, str]] = [(kind, d.models[0].id) for kind, d in DEFAULTS.items()]
WEATHER = Tool("weather", "Tells the weather.", {"type": "object", "properties": {}})
CLOCK = Tool("clock", None, {"type": "object", "properties": {}})


class Client:
    """One pretend provider behind our own dialect and transport."""

    def __init__(
        self, provider: SimulatedProvider, model: str, transport: AiohttpTransport
    ) -> None:
        self.provider = provider
        self.model = model
        self.transport = transport
        self.dialect = dialect_for(provider.kind)
        self.endpoint = Endpoint(base_url=provider.base_url, api_key="sk-simulated")

    async def ask(
        self, request: ChatRequest, *, stream: bool
    ) -> tuple[Completion | Failure, Sequence[Delta]]:
        encoded = self.dialect.encode_chat(
            self.endpoint, self.model, request, stream=stream
        )
        deltas: list[Delta] = []
        async with self.transport.send(
            encoded.http, Timeouts(), stream=stream
        ) as response:
            head = response.head
            if head.status != 200:
                body = await response.read()
                return self.dialect.decode_error(head, body, 0.0), deltas
            if not stream:
                return self.dialect.decode_chat(head, await response.read()), deltas
            decoder = self.dialect.stream_decoder(head)
            async for chunk in response.chunks():
                deltas += decoder.feed(chunk)
            return decoder.finish(), deltas

    async def answer(self, request: ChatRequest, *, stream: bool) -> Completion:
        got, _ = await self.ask(request, stream=stream)
        assert isinstance(got, Completion), got
        return got


@pytest.fixture
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    kind, model = request.param
    async with simulate([kind]) as providers:
        transport = AiohttpTransport(provider=kind)
        yield Client(providers[kind], model, transport)
        await transport.aclose()


def saying(text: str, **fields: object) -> ChatRequest:
    return ChatRequest(messages=(Message("user", text),), **fields)  # type: ignore[arg-type] # as data


each_model = pytest.mark.parametrize("client", MODELS, indirect=True)
each_kind = pytest.mark.parametrize("client", FIRST, indirect=True)
both_ways = pytest.mark.parametrize("stream", [False, True])


@each_model
@both_ways
async def test_answers_are_decoded_whole(client: Client, stream: bool) -> None:
    got, deltas = await client.ask(saying("hello there"), stream=stream)

    assert isinstance(got, Completion)
    assert got.content is not None
    name = client.provider.name
    assert got.content.startswith(f"[{name}] {prompt_hash('hello there')} hello")
    assert got.finish_reason == "stop"
    if stream:
        assert got.content == "".join(d.content or "" for d in deltas)
    record = client.provider.stats.log[-1]
    assert got.usage.prompt_tokens == record.prompt_tokens
    assert got.usage.completion_tokens == record.completion_tokens
    if client.provider.kind == "xai":
        assert got.usage.reported_cost_usd == record.cost_usd > Decimal(0)
    assert got.model


@each_model
@both_ways
async def test_parameters_a_model_refuses_are_never_sent(
    client: Client, stream: bool
) -> None:
    request = saying(
        "hello",
        max_tokens=20,
        temperature=0.5,
        top_p=0.9,
        stop=("END",),
        seed=1,
        user="someone",
    )

    assert isinstance(await client.answer(request, stream=stream), Completion)


@each_kind
@both_ways
@pytest.mark.parametrize(
    ("prompt", "choice", "names"),
    [
        ("call weather and call clock", None, ["weather", "clock"]),
        ("talk", ToolChoice("required"), ["weather"]),
        ("talk", ToolChoice("function", "clock"), ["clock"]),
        ("call weather", ToolChoice("none"), []),
    ],
)
async def test_tool_calls_are_decoded(
    client: Client,
    *,
    stream: bool,
    prompt: str,
    choice: ToolChoice | None,
    names: list[str],
) -> None:
    request = saying(prompt, tools=(WEATHER, CLOCK), tool_choice=choice)
    got = await client.answer(request, stream=stream)

    assert [call.name for call in got.tool_calls] == names
    assert (got.finish_reason == "tool_calls") == bool(names)
    assert len({call.id for call in got.tool_calls}) == len(names)
    for call in got.tool_calls:
        assert prompt_hash(prompt) in call.arguments


@each_kind
@both_ways
async def test_tool_results_are_accepted(client: Client, stream: bool) -> None:
    calls = (ToolCall("c1", "weather"), ToolCall("c2", "clock", '{"zone":"UTC"}'))
    messages = (
        Message("system", "Be brief."),
        Message("user", "call weather and call clock"),
        Message("assistant", None, tool_calls=calls),
        Message("tool", "sunny", tool_call_id="c1"),
        Message("tool", "noon", tool_call_id="c2"),
    )
    request = ChatRequest(messages=messages, tools=(WEATHER, CLOCK))
    got = await client.answer(request, stream=stream)

    assert got.finish_reason == "stop"
    assert got.content


@each_kind
@both_ways
async def test_limits_end_with_length(client: Client, stream: bool) -> None:
    got = await client.answer(saying("hello", max_tokens=12), stream=stream)

    assert got.finish_reason == "length"
    assert got.usage.completion_tokens == 12


@each_kind
async def test_structured_output_is_asked_for(client: Client) -> None:
    schema: dict[str, object] = {
        "type": "object",
        "properties": {"age": {"type": "integer"}},
        "required": ["age"],
        "additionalProperties": False,
    }
    wanted = ResponseFormat("json_schema", name="person", schema=schema)
    got = await client.answer(saying("x", response_format=wanted), stream=False)

    assert got.content == '{"age":1}'


@each_model
@both_ways
@pytest.mark.parametrize("effort", ["low", "medium", "high"])
async def test_reasoning_effort_is_accepted(
    client: Client, stream: bool, effort: ReasoningEffort
) -> None:
    request = saying("x", reasoning_effort=effort, max_tokens=8192)

    assert (await client.answer(request, stream=stream)).finish_reason == "stop"


@each_kind
async def test_models_are_listed(client: Client) -> None:
    request = client.dialect.encode_models(client.endpoint)
    async with client.transport.send(request, Timeouts(), stream=False) as response:
        models = client.dialect.decode_models(response.head, await response.read())

    offered = [m.answers_as or m.id for m in client.provider.behaviour.models]
    asked = [m.id for m in client.provider.behaviour.models]
    assert [m.id for m in models] in (offered, asked)


@each_kind
@pytest.mark.parametrize(
    ("fault", "failure"),
    [
        (Fault(kind="status", status=402), "quota"),
        (Fault(kind="status", status=429, retry_after_s=7), "rate_limit"),
        (Fault(kind="status", status=429, quota=True), "quota"),
        (Fault(kind="status", status=500), "server_error"),
        (Fault(kind="status", status=503), "overloaded"),
        (Fault(kind="status", status=529), "overloaded"),
    ],
)
async def test_failures_are_classified(
    client: Client, fault: Fault, failure: str
) -> None:
    await client.provider.fail(fault)
    got, _ = await client.ask(saying("x"), stream=False)

    assert isinstance(got, Failure)
    assert got.failure == failure
    assert got.retry_after_s == fault.retry_after_s
    assert got.owner == "provider"


@each_kind
async def test_refusals_are_classified(client: Client) -> None:
    await client.provider.change(api_key="another")
    wrong_key, _ = await client.ask(saying("x"), stream=False)
    await client.provider.change(api_key=None)
    client.model = "no-such-model"
    unknown, _ = await client.ask(saying("x"), stream=True)

    assert isinstance(wrong_key, Failure)
    assert isinstance(unknown, Failure)
    assert wrong_key.failure == "auth"
    assert unknown.failure == "model_not_found"


@pytest.mark.parametrize("client", [FIRST[0], FIRST[2]], indirect=True)
async def test_prompts_too_long_for_the_window_are_told_apart(client: Client) -> None:
    got, _ = await client.ask(saying("x" * 1_000_000), stream=True)

    assert isinstance(got, Failure)
    assert got.failure == "context_too_long"
    assert got.owner == "caller"


@each_kind
@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="cut"),
        Fault(kind="cut", after_tokens=10_000),
        Fault(kind="cut_reset"),
        Fault(kind="error_event", status=529),
        Fault(kind="malformed"),
        Fault(kind="reset"),
        Fault(kind="hang_up"),
    ],
)
async def test_spoiled_streams_are_never_taken_for_answers(
    client: Client, fault: Fault
) -> None:
    await client.provider.fail(fault)

    with pytest.raises(ProviderError):
        await client.ask(saying("x"), stream=True)
