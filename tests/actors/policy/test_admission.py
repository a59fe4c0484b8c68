"""Who is let in at the door."""

import pytest

from actors.policy.admission import Admission, Admit, Shed


def test_sheds_what_exceeds_the_limit() -> None:
    door = Admission(max_in_flight=2, retry_after_s=3.0)

    answers = [door.admit(request_id, None, 0.0) for request_id in "abc"]

    assert answers == [Admit(), Admit(), Shed(3.0, "overloaded")]
    assert door.in_flight == 2


def test_a_release_makes_room_once() -> None:
    door = Admission(max_in_flight=2)
    for request_id in "ab":
        door.admit(request_id, None, 0.0)

    for _ in range(3):
        door.release("a")

    assert door.in_flight == 1
    assert door.admit("c", None, 0.0) == Admit()
    assert door.admit("d", None, 0.0) == Shed(1.0, "overloaded")


def test_a_request_inside_is_admitted_again_and_counts_once() -> None:
    door = Admission(max_in_flight=1)
    door.admit("a", None, 0.0)

    assert door.admit("a", None, 0.0) == Admit()
    assert door.in_flight == 1


@pytest.mark.parametrize(
    ("now", "answer"), [(9.9, Admit()), (10.0, Shed(0.0, "deadline"))]
)
def test_a_request_whose_time_is_over_is_refused(
    now: float, answer: Admit | Shed
) -> None:
    door = Admission()

    assert door.admit("a", 10.0, now) == answer
    assert door.in_flight == (answer == Admit())
