"""Neutral messages -> ``system`` and alternating turns (provider-apis 3.2 and 5.1)."""

from msgspec import Struct
from msgspec.json import Decoder

from actors.errors import InvalidRequest
from actors.messages.chat import FilePart, ImagePart, Message, Part, TextPart, ToolCall
from actors.wire.anthropic_names import CallIds, wire_name

Json = dict[str, object]

_INPUT = Decoder(dict[str, object])
_IMAGES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_PLACEHOLDER: Json = {"type": "text", "text": "."}
_NO_RESULT = "This call was not carried out: there is no result."


class Conversation(Struct):
    """What is said, ready for the body.

    Attributes:
        system: The system texts, in order.
        turns: Messages whose roles alternate; the first is the user's.
        answers_tools: The last turn holds results of tools.
        names: Some message had a ``name``, which has no place here.
    """

    system: list[str]
    turns: list[Json]
    answers_tools: bool
    names: bool

    @property
    def prefilled(self) -> bool:
        """The last turn is the assistant's, to be continued."""
        return self.turns[-1]["role"] == "assistant"


def converse(messages: tuple[Message, ...]) -> Conversation:
    """Bring messages into Anthropic's form.

    Raises:
        InvalidRequest: A part that has no form there, or a result without a call.
    """
    writer = _Writer()
    for index, message in enumerate(messages):
        writer.add(message, f"messages[{index}]")
    return writer.finish(names=any(message.name for message in messages))


class _Writer:
    """Collects one user turn at a time, because the results of tools come first in it.

    Whatever an assistant's calls lack by the end of the turn after it is made up as
    an error, since every call must be answered there.
    """

    def __init__(self) -> None:
        self._system: list[str] = []
        self._turns: list[Json] = []
        self._ids = CallIds()
        self._results: list[Json] = []
        self._said: list[Json] = []
        self._assistant: list[Json] | None = None  # the turn that may still grow
        self._answers_tools = False

    def add(self, message: Message, where: str) -> None:
        match message.role:
            case "system" | "developer":
                self._system.extend(_system_texts(message, where))
            case "assistant":
                self._add_assistant(message, where)
            case "tool":
                self._results.append(self._result(message, where))
            case _:
                self._said.extend(_blocks(message.content, where))

    def finish(self, *, names: bool) -> Conversation:
        self._end_user_turn()
        if not self._turns:
            self._turns.append({"role": "user", "content": [_PLACEHOLDER]})
        return Conversation(self._system, self._turns, self._answers_tools, names)

    def _add_assistant(self, message: Message, where: str) -> None:
        blocks = _blocks(message.content, where, only_text=True)
        if message.refusal:
            blocks += _text(message.refusal)
        calls = message.tool_calls
        if not (blocks or calls):
            return
        if self._results or self._said or self._assistant is None:
            self._end_user_turn()
            if not self._turns:
                self._turns.append({"role": "user", "content": [_PLACEHOLDER]})
            self._assistant = []
            self._turns.append({"role": "assistant", "content": self._assistant})
        self._assistant.extend(blocks)
        self._assistant.extend(
            self._call(call, f"{where}.tool_calls[{index}].function.name")
            for index, call in enumerate(calls)
        )

    def _end_user_turn(self) -> None:
        missing = [_tool_result(wire) for wire in self._ids.abandon()]
        for result in missing:
            result |= {"content": _NO_RESULT, "is_error": True}
        results = self._results + missing
        content = results + self._said
        if content:
            self._turns.append({"role": "user", "content": content})
            self._results, self._said, self._assistant = [], [], None
        self._answers_tools = bool(results)

    def _call(self, call: ToolCall, field: str) -> Json:
        return {
            "type": "tool_use",
            "id": self._ids.open(call.id),
            "name": wire_name(call.name, field),
            "input": _arguments(call.arguments),
        }

    def _result(self, message: Message, where: str) -> Json:
        wire = self._ids.answer(message.tool_call_id or "")
        if wire is None:
            text = "a tool message answers no call of the assistant's turn before it"
            wanted = "the id of one of those calls, each answered once"
            raise InvalidRequest(
                text,
                field=f"{where}.tool_call_id",
                got=(message.tool_call_id or "")[:60],
                wanted=wanted,
            )
        result = _tool_result(wire)
        said = message.content
        content = said if isinstance(said, str) else _blocks(said, where)
        if content:
            result["content"] = content
        return result


def _tool_result(wire_id: str) -> Json:
    return {"type": "tool_result", "tool_use_id": wire_id}


def _arguments(arguments: str) -> Json:
    """Arguments as an object; an empty one for what is none (the model's own slip)."""
    try:
        return _INPUT.decode(arguments)
    except (ValueError, RecursionError):
        return {}


def _system_texts(message: Message, where: str) -> list[str]:
    blocks = _blocks(message.content, where, only_text=True)
    return [str(block["text"]) for block in blocks]


def _blocks(
    content: str | tuple[Part, ...] | None, where: str, *, only_text: bool = False
) -> list[Json]:
    if content is None or isinstance(content, str):
        return _text(content or "")
    blocks: list[Json] = []
    for index, part in enumerate(content):
        field = f"{where}.content[{index}]"
        if isinstance(part, TextPart):
            blocks += _text(part.text)
        elif only_text:
            text = "only text is possible in system and assistant messages here"
            raise InvalidRequest(text, field=field, wanted="text")
        else:
            blocks.append(_medium(part, field))
    return blocks


def _text(text: str) -> list[Json]:
    """A block, or none: the API refuses blank texts."""
    return [{"type": "text", "text": text}] if text and not text.isspace() else []


def _medium(part: Part, field: str) -> Json:
    match part:
        case ImagePart():
            return {"type": "image", "source": _image_source(part.url, field)}
        case FilePart():
            return _document(part, f"{field}.file")
        case _:
            text = "Anthropic's models take no audio"
            raise InvalidRequest(
                text, field=field, got="audio", wanted="text, image or file"
            )


def _image_source(url: str, field: str) -> Json:
    where = f"{field}.image_url.url"
    if url[:8].lower().startswith(("http://", "https://")):
        return {"type": "url", "url": url}
    media_type, data = _data_uri(url, where)
    media_type = "image/jpeg" if media_type == "image/jpg" else media_type
    if media_type not in _IMAGES:
        text = "Anthropic's models do not take images of this type"
        wanted = ", ".join(sorted(_IMAGES))
        raise InvalidRequest(text, field=where, got=media_type[:60], wanted=wanted)
    return {"type": "base64", "media_type": media_type, "data": data}


def _document(part: FilePart, field: str) -> Json:
    if part.data is None:
        text = "a file id of another provider means nothing to Anthropic"
        wanted = "file_data with the file itself"
        raise InvalidRequest(text, field=f"{field}.file_id", wanted=wanted)
    media_type, data = _data_uri(part.data, f"{field}.file_data")
    if media_type != "application/pdf":
        text = "Anthropic's models take only PDF files"
        raise InvalidRequest(
            text,
            field=f"{field}.file_data",
            got=media_type[:60],
            wanted="application/pdf",
        )
    source = {"type": "base64", "media_type": media_type, "data": data}
    document: Json = {"type": "document", "source": source}
    if part.filename:
        document["title"] = part.filename
    return document


def _data_uri(uri: str, field: str) -> tuple[str, str]:
    """Media type and payload of ``data:<type>;base64,<payload>``."""
    head, comma, payload = uri.partition(",")
    media_type, *options = head[5:].lower().split(";")
    is_data = head[:5].lower() == "data:" and comma
    if not is_data or "base64" not in (option.strip() for option in options):
        text = "the data is not inline in a form that can be passed on"
        wanted = "data:<media type>;base64,<data>"
        raise InvalidRequest(text, field=field, got=uri[:40], wanted=wanted)
    return media_type.strip(), payload
