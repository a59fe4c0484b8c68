"""Asks every part of the daemon what is wrong, and tells what comes and goes."""

from collections.abc import Callable, Sequence

import anyio
import structlog

from actors.messages.lifecycle import Condition, Finding
from actors.messages.notices import NoticeBoard
from actors.policy.conditions import Board, Cleared, Raised, Troubles

LOOK_S = 1.0
"""How often somebody looks when nobody asks."""

Reporter = Callable[[], Sequence[Finding]]

log = structlog.get_logger()


class ConditionWatch:
    """What an operator should know now.

    Args:
        clock: A clock that never jumps, in seconds.
        utc: UTC epoch seconds.
        reporters: Those that are known from the start.
        notices: Where what comes and goes is put up too.

    Attributes:
        troubles: For whoever has something to declare once, and to withdraw later.
        reporters: Each is asked at every look for what it finds wrong then.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        utc: Callable[[], float],
        reporters: Sequence[Reporter] = (),
        notices: NoticeBoard | None = None,
    ) -> None:
        self.troubles = Troubles()
        self.reporters: list[Reporter] = [self.troubles.findings, *reporters]
        self._clock = clock
        self._utc = utc
        self._notices = notices
        self._board = Board()

    def look(self) -> tuple[Condition, ...]:
        """Ask everybody now; the worst first, then the oldest."""
        found = [each for report in self.reporters for each in report()]
        for news in self._board.update(found, self._clock(), self._utc()):
            _tell(news)
            self._put_up(news)
        return self._board.conditions()

    def _put_up(self, news: Raised | Cleared) -> None:
        if self._notices is not None:
            over = isinstance(news, Cleared)
            name = "condition_cleared" if over else "condition_raised"
            self._notices.tell("conditions", name, news.condition)

    async def run(self) -> None:
        """Look again and again; never ends.

        A bug in whoever finds something wrong must not be what ends the daemon.
        """
        while True:
            try:
                self.look()
            except Exception:
                log.exception("conditions_bug")
            await anyio.sleep(LOOK_S)


def _tell(news: Raised | Cleared) -> None:
    condition = news.condition
    if isinstance(news, Cleared):
        log.info(
            "condition_cleared",
            code=condition.code,
            provider=condition.provider,
            model=condition.model,
            text=condition.text,
            lasted_s=round(news.lasted_s, 3),
        )
        return
    levels = {"info": log.info, "warning": log.warning, "error": log.error}
    tell = levels[condition.severity]
    tell(
        "condition_raised",
        code=condition.code,
        provider=condition.provider,
        model=condition.model,
        text=condition.text,
        advice=condition.advice,
    )
