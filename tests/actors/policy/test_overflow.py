"""Who is asked after a prompt was too long."""

from actors.messages.routing import Target
from actors.policy.overflow import Overflow

SMALL, LARGE, OTHER = (Target("p", name) for name in ("small", "large", "other"))


def test_before_any_overflow_everybody_fits() -> None:
    overflow = Overflow()
    overflow.chosen(None)
    overflow.chosen(None)

    assert overflow.fits(SMALL, 10)
    assert overflow.fits(OTHER, None)


def test_only_larger_known_windows_fit_afterwards() -> None:
    overflow = Overflow()
    overflow.note(SMALL, 100)

    assert not overflow.fits(OTHER, 100)
    assert not overflow.fits(OTHER, 99)
    assert overflow.fits(LARGE, 101)


def test_the_floor_never_sinks() -> None:
    overflow = Overflow()
    overflow.note(LARGE, 500)
    overflow.note(SMALL, 100)

    assert not overflow.fits(OTHER, 400)


def test_an_unknown_window_is_worth_one_try() -> None:
    overflow = Overflow()
    overflow.note(SMALL, 100)

    assert overflow.fits(OTHER, None)
    overflow.chosen(1000)
    assert overflow.fits(OTHER, None)
    overflow.chosen(None)
    assert not overflow.fits(OTHER, None)


def test_the_same_model_elsewhere_is_not_sent_the_same_prompt() -> None:
    overflow = Overflow()
    overflow.note(SMALL, None)

    assert not overflow.fits(Target("elsewhere", "small"), 10**6)
    assert overflow.fits(LARGE, 10**6)
