"""What follows an answer that will not do."""

from msgspec.structs import replace

from actors.messages.chat import ChatRequest, Message
from actors.messages.consensus import ConsensusAsk
from actors.messages.routing import RouteRequest
from actors.policy.tasks.remedies import Elsewhere, Repair, next_remedy
from tests.support.fake_service import route_result

ASKED = RouteRequest(
    request_id="r", chat=ChatRequest(messages=(Message("user", "hi"),)), model="auto"
)


def remedy(
    request: RouteRequest = ASKED, *, content: str = "x", repaired: bool = True
) -> object:
    return next_remedy(
        request,
        route_result(content),
        "it is wrong",
        repaired=repaired,
        tried={"openai"},
        providers=("openai", "grok"),
    )


def test_at_first_whoever_gave_it_is_told_what_was_wrong() -> None:
    found = remedy(repaired=False)
    assert isinstance(found, Repair)
    assert found.request.provider == "openai"
    _, said, wrong = found.request.chat.messages
    assert said == Message("assistant", "x")
    assert "it is wrong" in str(wrong.content)


def test_an_empty_answer_is_not_sent_back() -> None:
    found = remedy(content="", repaired=False)
    assert isinstance(found, Repair)
    assert [m.role for m in found.request.chat.messages] == ["user", "user"]


def test_then_the_next_provider_is_asked() -> None:
    assert remedy() == Elsewhere("grok")


def test_when_nobody_is_left_nothing_is() -> None:
    asked = next_remedy(
        ASKED, route_result(), "bad", repaired=True, tried={"a"}, providers=("a",)
    )
    assert asked is None


def test_consensus_has_asked_several_already() -> None:
    assert remedy(replace(ASKED, consensus=ConsensusAsk()), repaired=False) is None
