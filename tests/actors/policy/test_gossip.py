"""What other daemons' opinions make us do: look, once, and not often."""

from hypothesis import given, strategies as st

from actors.messages.peers import Beat, OpenBreaker
from actors.messages.provider import BreakerPhase
from actors.policy.gossip import MAX_PEERS, QUIET_S, Rumours

OPENAI, GROK = ("openai", "gpt-4o"), ("grok", "grok-3-mini")
CLOSED: dict[tuple[str, str], BreakerPhase] = {OPENAI: "closed", GROK: "closed"}


def beat(peer: str = "a", *opened: tuple[str, str]) -> Beat:
    return Beat(
        id=peer,
        name=peer,
        version="1",
        started_at=0.0,
        open=tuple(OpenBreaker(*each) for each in opened),
    )


def test_a_breaker_that_opens_elsewhere_is_a_reason_to_look_once() -> None:
    rumours = Rumours()

    assert rumours.hear([beat("a", OPENAI)], CLOSED, 0.0) == ("openai",)
    assert rumours.hear([beat("a", OPENAI)], CLOSED, 1000.0) == ()


def test_nobody_looks_where_it_is_known_already() -> None:
    assert Rumours().hear([beat("a", OPENAI)], {OPENAI: "open"}, 0.0) == ()


def test_a_breaker_that_closes_elsewhere_is_a_reason_while_ours_is_open() -> None:
    rumours = Rumours()
    ours: dict[tuple[str, str], BreakerPhase] = {OPENAI: "open"}
    rumours.hear([beat("a", OPENAI)], ours, 0.0)

    assert rumours.hear([beat("a")], ours, 1.0) == ("openai",)
    assert rumours.hear([beat("a")], CLOSED, 100.0) == ()


def test_models_that_we_do_not_have_are_nothing_to_us() -> None:
    assert Rumours().hear([beat("a", ("evil", "x"))], CLOSED, 0.0) == ()


def test_a_provider_is_not_looked_at_again_too_soon() -> None:
    rumours = Rumours()
    rumours.hear([beat("a", OPENAI)], CLOSED, 0.0)

    assert rumours.hear([beat("a", OPENAI), beat("b", OPENAI)], CLOSED, 1.0) == ()
    rumours.hear([beat("a", OPENAI)], CLOSED, 2.0)
    again = [beat("a", OPENAI), beat("b", OPENAI)]
    assert rumours.hear(again, CLOSED, QUIET_S) == ("openai",)


def test_who_left_and_comes_back_is_news_again() -> None:
    rumours = Rumours()
    rumours.hear([beat("a", OPENAI)], CLOSED, 0.0)
    rumours.hear([], CLOSED, 1.0)

    assert rumours.hear([beat("a", OPENAI)], CLOSED, 100.0) == ("openai",)


def test_more_peers_than_there_can_be_are_not_heard() -> None:
    crowd = [beat(f"p{n}") for n in range(MAX_PEERS)]

    assert Rumours().hear([*crowd, beat("late", OPENAI)], CLOSED, 0.0) == ()


@given(
    st.lists(
        st.tuples(
            st.floats(0.0, 3.0),
            st.lists(
                st.tuples(
                    st.sampled_from("abc"), st.sets(st.sampled_from([OPENAI, GROK]))
                ),
                max_size=4,
            ),
        ),
        max_size=60,
    )
)
def test_whatever_is_said_no_provider_is_asked_too_often(
    story: list[tuple[float, list[tuple[str, set[tuple[str, str]]]]]],
) -> None:
    rumours, now = Rumours(), 0.0
    asked: dict[str, float] = {}
    for gap_s, said in story:
        now += gap_s
        beats = [beat(peer, *sorted(opened)) for peer, opened in said]
        for name in rumours.hear(beats, CLOSED, now):
            assert now - asked.get(name, -QUIET_S) >= QUIET_S
            asked[name] = now
