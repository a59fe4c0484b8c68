"""Neutral request -> body of ``POST /chat/completions`` (provider-apis 2.1)."""

from msgspec.json import Encoder

from actors.errors import InvalidRequest
from actors.messages.chat import ChatRequest, ResponseFormat, Tool, ToolChoice
from actors.wire.model_rules import SAMPLING, ModelRule
from actors.wire.openai_messages import encode_messages
from actors.wire.quirks import Quirks

_ENCODER = Encoder(decimal_format="number")

_OURS = ("model", "messages", "stream")
"""Fields that ``extra`` cannot set: they decide how the answer is read."""

Json = dict[str, object]


def encode_body(
    quirks: Quirks, model: str, request: ChatRequest, *, stream: bool
) -> tuple[bytes, tuple[str, ...]]:
    """The body and the parameters left out because the model refuses them.

    Raises:
        InvalidRequest: Something that this dialect cannot carry at all.
    """
    rule = quirks.rule_for(model)
    dropped: list[str] = []
    body = dict(request.extra)
    for field in _OURS:
        body.pop(field, None)
    body["model"] = model
    body["messages"] = encode_messages(quirks, model, request.messages, dropped)
    if request.continues:
        _go_on(body, quirks)
    _add_limits(body, quirks, request)
    _add_tools(body, quirks, request, dropped)
    _add_reasoning(body, quirks, rule, request, dropped)
    _leave_out_refused(body, rule, quirks.refused | rule.refused, dropped)
    if stream:
        body["stream"] = True
    _add_stream_options(body, quirks, stream=stream)
    if body.get("n", 1) not in (1, None):
        text = "several choices (n > 1) are not supported"
        raise InvalidRequest(text, field="n", got=str(body["n"])[:20], wanted="1")
    return _encode(body), tuple(dict.fromkeys(dropped))


def _go_on(body: Json, quirks: Quirks) -> None:
    """Say that the last message, the assistant's, is the beginning of the answer."""
    messages = body["messages"]
    if quirks.prefix == "none" or not isinstance(messages, list):
        text = f"servers of the kind {quirks.kind} do not go on from a given beginning"
        raise InvalidRequest(text, wanted="a request that does not continue")
    if quirks.prefix == "flag":
        messages[-1]["prefix"] = True
    elif quirks.prefix == "field":
        body["add_generation_prompt"] = False
        body["continue_final_message"] = True


def _encode(body: Json) -> bytes:
    try:
        return _ENCODER.encode(body)
    except UnicodeEncodeError as error:
        text = "the request holds half of a surrogate pair, which is not text"
        raise InvalidRequest(text, wanted="valid Unicode") from error
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"the request is no JSON: {error}") from error


def _add_limits(body: Json, quirks: Quirks, request: ChatRequest) -> None:
    if request.max_tokens is not None:
        body[quirks.output_cap] = request.max_tokens
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.top_p is not None:
        body["top_p"] = request.top_p
    if request.stop:
        body["stop"] = list(request.stop)
    if request.seed is not None:
        body[quirks.seed] = request.seed
    if request.user is not None:
        body["user"] = request.user
    if request.response_format is not None:
        body["response_format"] = _response_format(quirks, request.response_format)


def _add_tools(
    body: Json, quirks: Quirks, request: ChatRequest, dropped: list[str]
) -> None:
    if request.tools:
        body["tools"] = [_tool(quirks, tool, dropped) for tool in request.tools]
    if request.tool_choice is not None:
        body["tool_choice"] = _tool_choice(request.tool_choice)
    if request.parallel_tool_calls is not None:
        body["parallel_tool_calls"] = request.parallel_tool_calls
    if not body.get("tools"):  # servers refuse these without tools
        if body.get("tool_choice") in ("auto", "none"):
            del body["tool_choice"]
        if body.pop("parallel_tool_calls", None) is not None:
            dropped.append("parallel_tool_calls")


def _add_reasoning(
    body: Json,
    quirks: Quirks,
    rule: ModelRule,
    request: ChatRequest,
    dropped: list[str],
) -> None:
    effort = request.reasoning_effort
    with_tools = rule.tools if body.get("tools") else "always"
    if with_tools == "never":
        text = f"{body['model']} takes tools only through the Responses API"
        raise InvalidRequest(text, field="tools", wanted="no tools, or another model")
    if with_tools == "no_reasoning" and effort != "none":
        body["reasoning_effort"] = "none"
        if effort is not None:
            dropped.append("reasoning_effort")
    elif effort == "none" and quirks.reasoning_off:
        body.update(quirks.reasoning_off)
    elif effort:
        word = rule.effort_words.get(effort, effort)
        if rule.efforts is None or word in rule.efforts:
            body["reasoning_effort"] = word
        else:
            dropped.append("reasoning_effort")


def _leave_out_refused(
    body: Json, rule: ModelRule, refused: frozenset[str], dropped: list[str]
) -> None:
    if not _takes_sampling(rule, body.get("reasoning_effort")):
        refused |= SAMPLING
    found = sorted(refused & body.keys())
    dropped.extend(field for field in found if body.pop(field) is not None)


def _takes_sampling(rule: ModelRule, effort: object) -> bool:
    if rule.sampling == "without_reasoning":
        return effort == "none" or (effort is None and rule.idle_by_default)
    return rule.sampling == "always"


def _add_stream_options(body: Json, quirks: Quirks, *, stream: bool) -> None:
    asked = body.pop("stream_options", None)
    if stream and quirks.stream_usage:
        options = dict(asked) if isinstance(asked, dict) else {}
        options["include_usage"] = True
        body["stream_options"] = options


def _tool(quirks: Quirks, tool: Tool, dropped: list[str]) -> Json:
    function: Json = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.parameters is not None:
        function["parameters"] = tool.parameters
    if tool.strict is not None:
        if quirks.tool_strict:
            function["strict"] = tool.strict
        else:
            dropped.append("tools.strict")
    return {"type": "function", "function": function}


def _tool_choice(choice: ToolChoice) -> object:
    if choice.mode != "function":
        return choice.mode
    return {"type": "function", "function": {"name": choice.name}}


def _response_format(quirks: Quirks, form: ResponseFormat) -> Json:
    if form.type != "json_schema":
        return {"type": form.type}
    if not quirks.json_schema:
        text = f"{quirks.kind} takes no JSON schema for an answer"
        wanted = "json_object, or another provider"
        raise InvalidRequest(text, field="response_format", wanted=wanted)
    schema: Json = {"name": form.name or "answer"}
    if form.description is not None:
        schema["description"] = form.description
    if form.schema is not None:
        schema["schema"] = form.schema
    if form.strict is not None:
        schema["strict"] = form.strict
    return {"type": "json_schema", "json_schema": schema}
