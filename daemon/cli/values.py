"""Values as they are typed: each says what came and what was wanted."""

import argparse
from typing import get_args

from actors.messages.routing import Strategy
from daemon.config_rules import strategy_name
from ipc.tasks import MAX_WAIT_S

STRATEGIES: tuple[str, ...] = get_args(Strategy)
_MOST_DIGITS = 18
LEVELS = ("debug", "info", "warning", "error", "critical")


def strategy(text: str) -> str:
    """A strategy by any of its names."""
    name = strategy_name(text)
    if name not in STRATEGIES:
        wanted = ", ".join(STRATEGIES)
        raise argparse.ArgumentTypeError(f"got '{text}', wanted one of {wanted}")
    return name


def positive_int(text: str) -> int:
    """A whole number from 1 that fits 64 bits, as the daemon reads them."""
    if not text.isdecimal() or not text.strip("0"):
        raise argparse.ArgumentTypeError(
            f"got '{text[:40]}', wanted a whole number from 1"
        )
    if len(text) > _MOST_DIGITS:
        raise argparse.ArgumentTypeError(
            f"got '{text[:40]}', wanted a whole number from 1 of at most "
            f"{_MOST_DIGITS} digits"
        )
    return int(text)


def retries(text: str) -> int:
    """A whole number from 0 to 10."""
    if not text.isdecimal() or len(text) > _MOST_DIGITS or int(text) > 10:
        raise argparse.ArgumentTypeError(
            f"got '{text[:40]}', wanted a whole number from 0 to 10"
        )
    return int(text)


def number(text: str) -> float:
    """Any finite number of at least 0."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"got '{text}', wanted a number of at least 0")
    return value


weight = number


def seconds(text: str) -> float:
    """A number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"got '{text}', wanted seconds above 0")
    return value


def wait(text: str) -> float:
    """Seconds that the daemon lets one call wait."""
    value = seconds(text)
    if value > MAX_WAIT_S:
        raise argparse.ArgumentTypeError(
            f"got '{text}', wanted seconds above 0 and at most {MAX_WAIT_S:g}"
        )
    return value


def score(text: str) -> float:
    """How good an answer was, from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"got '{text}', wanted a number from 0 to 1")
    return value
