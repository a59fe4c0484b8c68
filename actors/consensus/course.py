"""In which order a round asks, until how sure, and why so."""

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from actors.consensus.desk import Desk
from actors.consensus.verdict import Count, is_settled, is_sure
from actors.messages.consensus import CascadePlan, ConsensusMethod
from actors.policy.voting.fitting import MIN_LABELS
from actors.policy.voting.methods import Evidence
from actors.policy.voting.planning import Plan, steps_of
from actors.policy.voting.stopping import TAU

Steps = tuple[tuple[str, ...], ...]


class Course(Struct, frozen=True, kw_only=True):
    """``steps`` are whom to ask, in turn; ``shown`` tells of a cascade's plan."""

    steps: Steps
    tau: float = TAU
    plan: Plan | None = None
    shown: CascadePlan | None = None

    def weigh(self, known: Evidence, step: int, voters: Sequence[str]) -> Evidence:
        """What is known of these, with the weights that were fitted to this step."""
        if self.plan is None:
            return known
        weights = self.plan.weights[step]
        if weights.labels < MIN_LABELS or not set(voters) <= weights.members.keys():
            return known
        return replace(known, weights=weights)

    def ends(self, count: Count, known: Evidence, waiting: Sequence[str]) -> bool:
        """Whether nobody else need be heard.

        The weights of a learned plan know nothing of who comes later.
        """
        if self.plan is None and is_settled(count, known, waiting):
            return True
        return is_sure(count, known, self.tau)


def course_of(
    desk: Desk,
    method: ConsensusMethod,
    names: Sequence[str],
    task_type: str | None,
    quorum: int,
) -> Course:
    """Everybody at once, or step by step as learned, or in the usual order."""
    if method != "cascade":
        return Course(steps=(tuple(names),))
    plan, labels = desk.learned_of(names).plan(names, task_type)
    about = f"task type {task_type}" if task_type else "requests without a task type"
    if plan is not None and sum(map(len, plan.steps)) >= quorum:
        why = f"learned from {labels} labelled rounds of all of them for {about}"
        left = set(names).difference(*plan.steps)
        if left:
            why += f"; not worth a call: {', '.join(sorted(left))}"
        return _told(plan.steps, plan.tau, why, plan)
    if plan is not None:
        why = "the learned plan asks fewer than the quorum"
    elif labels < MIN_LABELS:
        why = (
            f"{labels} labelled rounds of all of them for {about}; a plan is learned "
            f"from {MIN_LABELS}"
        )
    else:
        why = "the plan is still being learned, or others have more labels"
    order = desk.order(names, task_type)
    return _told(steps_of(order), TAU, f"cheap ones first: {why}", None)


def _told(steps: Steps, tau: float, why: str, plan: Plan | None) -> Course:
    shown = CascadePlan(steps=steps, tau=tau, learned=plan is not None, why=why)
    return Course(steps=steps, tau=tau, plan=plan, shown=shown)
