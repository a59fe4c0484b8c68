"""Neutral conversation -> ``messages`` of the OpenAI chat dialect (provider-apis 2.1)."""

from actors.messages.chat import (
    AudioPart,
    ImagePart,
    Message,
    Part,
    TextPart,
    ToolCall,
)
from actors.wire.call_ids import NO_SIGNATURE, fitting_id, unsigned_id
from actors.wire.quirks import Quirks

Json = dict[str, object]


def encode_messages(
    quirks: Quirks, model: str, messages: tuple[Message, ...], dropped: list[str]
) -> list[Json]:
    """The conversation as this server takes it; what it refuses goes to ``dropped``."""
    if quirks.merge_system:
        messages = _one_system_message(messages)
    return [_message(quirks, model, message, dropped) for message in messages]


def _one_system_message(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """All instructions in one message before all others; their position is lost."""
    system = [message for message in messages if message.role in _INSTRUCTING]
    if not system or (len(system) == 1 and messages[0] is system[0]):
        return messages
    said = "\n\n".join(_plain_text(message) for message in system)
    rest = (message for message in messages if message.role not in _INSTRUCTING)
    return (Message("system", said), *rest)


_INSTRUCTING = ("system", "developer")


def _plain_text(message: Message) -> str:
    content = message.content or ""
    if isinstance(content, str):
        return content
    return "\n\n".join(part.text for part in content if isinstance(part, TextPart))


def _message(quirks: Quirks, model: str, message: Message, dropped: list[str]) -> Json:
    role = message.role
    if role == "developer" and not quirks.developer_role:
        role = "system"
    wire: Json = {"role": role}
    content = message.content
    if content is not None:
        wire["content"] = (
            content if isinstance(content, str) else [_part(part) for part in content]
        )
    elif not message.tool_calls:
        wire["content"] = None if message.refusal is not None else ""
    if role == "tool":
        wire["tool_call_id"] = _call_id(quirks, message.tool_call_id or "")
    elif message.name is not None:
        if quirks.message_name:
            wire["name"] = message.name
        else:
            dropped.append("messages.name")
    if role == "assistant":
        _add_assistant(wire, quirks, model, message)
    return wire


def _add_assistant(wire: Json, quirks: Quirks, model: str, message: Message) -> None:
    if message.tool_calls:
        calls = [_tool_call(quirks, call) for call in message.tool_calls]
        if quirks.signatures is not None and not model.startswith(_UNSIGNED):
            calls[0].setdefault("extra_content", _signature(NO_SIGNATURE))
        wire["tool_calls"] = calls
    if message.refusal is not None:
        wire["refusal"] = message.refusal
    if message.reasoning and quirks.reasoning_echo:
        wire[quirks.reasoning_echo] = message.reasoning


_UNSIGNED = ("gemini-1", "gemini-2")  # later ones refuse a first call without signature


def _tool_call(quirks: Quirks, call: ToolCall) -> Json:
    function = {"name": call.name, "arguments": call.arguments or "{}"}
    call_id = _call_id(quirks, call.id)
    wire: Json = {"id": call_id, "type": "function", "function": function}
    if quirks.signatures is not None:
        signature = unsigned_id(call.id)[1]
        if signature is not None:
            wire["extra_content"] = _signature(signature)
    return wire


def _call_id(quirks: Quirks, call_id: str) -> str:
    return fitting_id(unsigned_id(call_id)[0], quirks.tool_ids)


def _signature(signature: str) -> Json:
    return {"google": {"thought_signature": signature}}


def _part(part: Part) -> Json:
    match part:
        case TextPart():
            return {"type": "text", "text": part.text}
        case ImagePart():
            image: Json = {"url": part.url}
            if part.detail is not None:
                image["detail"] = part.detail
            return {"type": "image_url", "image_url": image}
        case AudioPart():
            audio = {"data": part.data, "format": part.format}
            return {"type": "input_audio", "input_audio": audio}
        case _:
            file = {
                "file_data": part.data,
                "file_id": part.file_id,
                "filename": part.filename,
            }
            given = {key: value for key, value in file.items() if value is not None}
            return {"type": "file", "file": given}
