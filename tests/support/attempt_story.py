"""One request's attempts, told failure by failure."""

from collections.abc import Sequence
from decimal import Decimal

from actors import errors
from actors.errors import FailureClass, Owner
from actors.messages.provider import Failure, ModelSnapshot, Outcome
from actors.messages.routing import Target
from actors.policy.attempts import (
    AttemptPlan,
    Call,
    GiveUp,
    Queue,
    RetryBudget,
    RetryConfig,
)
from actors.policy.retry_rules import Size

FAR = 1000.0


def snapshots(
    windows: dict[Target, int | None], ready_at: dict[Target, float]
) -> dict[Target, ModelSnapshot]:
    """What is known of each target named in either."""
    return {
        target: ModelSnapshot(
            provider=target.provider,
            model=target.model,
            context_window=windows.get(target),
            blocked_until=ready_at.get(target, 0.0),
        )
        for target in (*windows, *ready_at)
    }


class Story:
    """One request told step by step: each failure gives the next step."""

    def __init__(
        self,
        ranked: Sequence[Target],
        config: RetryConfig | None = None,
        *,
        ordered: bool = False,
        forced: bool = False,
        deadline: float = FAR,
        windows: dict[Target, int | None] | None = None,
        ready_at: dict[Target, float] | None = None,
        buffered: bool = False,
        known: dict[Target, ModelSnapshot] | None = None,
        budget_usd: Decimal | None = None,
        budget: RetryBudget | None = None,
        prompt_tokens: int = 1000,
    ) -> None:
        self.plan = AttemptPlan(
            config or RetryConfig(),
            ranked,
            deadline=deadline,
            ordered=ordered,
            forced=forced,
            known=known or snapshots(windows or {}, ready_at or {}),
            size=Size(prompt_tokens=prompt_tokens, output_tokens=1000),
            budget_usd=budget_usd,
            buffered=buffered,
        )
        self.budget = budget or RetryBudget(burst=1000.0)
        self.now = 0.0
        self.step = self.plan.first(self.now)

    def fails(
        self,
        kind: FailureClass = "server_error",
        *,
        after_s: float | None = None,
        called: bool = True,
        emitted: bool = False,
        neutral: bool = False,
        should_retry: bool | None = None,
        status: int | None = None,
        owner: Owner | None = None,
        took_s: float = 0.0,
        cost_usd: Decimal | None = None,
        draw: float = 0.5,
        code: str | None = None,
    ) -> Call | Queue | GiveUp:
        call = self.call
        self.now += call.delay_s + took_s
        outcome = Outcome(
            attempt_id="1",
            provider=call.target.provider,
            model=call.target.model,
            latency_s=took_s,
            failure=Failure(
                failure=kind,
                message=f"{call.target.provider} {kind}",
                owner=owner or ("caller" if kind == "bad_request" else "provider"),
                retry_after_s=after_s,
                code=code,
                neutral=neutral,
                should_retry=should_retry,
                status=status,
            ),
            called=called,
            emitted=emitted,
            cost_usd=cost_usd,
        )
        self.step = self.plan.after(outcome, self.now, draw, self.budget)
        return self.step

    def finds_no_place(self) -> Call | Queue | GiveUp:
        """Nobody is called: all places there are taken."""
        self.step = self.plan.no_place(self.now, 0.5, self.budget)
        return self.step

    def is_granted(self, provider: str | None) -> Call | Queue | GiveUp:
        """After waiting in line: a place there."""
        self.step = self.plan.granted(provider, self.now, 0.5, self.budget)
        return self.step

    @property
    def call(self) -> Call:
        assert isinstance(self.step, Call), self.step
        return self.step

    @property
    def error(self) -> errors.GitBridgeError:
        assert isinstance(self.step, GiveUp), self.step
        return self.step.error

    def until_the_end(self, kind: FailureClass = "server_error") -> list[str]:
        """Fail every call alike; the providers that were called."""
        called = []
        while isinstance(self.step, Call):
            called.append(self.step.target.provider)
            self.fails(kind)
        return called
