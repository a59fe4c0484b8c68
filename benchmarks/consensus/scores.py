"""Figures of one way to decide, over rounds it was not fitted to."""

from collections.abc import Sequence
from random import Random

from actors.policy.voting.choosing import plan_for
from actors.policy.voting.climbing import finish
from actors.policy.voting.fitting import fit
from actors.policy.voting.independence import effective_votes, error_correlation
from actors.policy.voting.likelihood import Terms
from actors.policy.voting.methods import Evidence, decide
from actors.policy.voting.planning import Answered, Plan, rounds_of, run_plan
from actors.policy.voting.weights import JointWeights

BINS = 10


def accuracy_of(rounds: Sequence[Answered], member: str) -> float:
    return sum(each.said.get(member) == each.right for each in rounds) / len(rounds)


def accuracies(rounds: Sequence[Answered], pool: Sequence[str]) -> dict[str, float]:
    return {name: accuracy_of(rounds, name) for name in pool}


def mean_usd(rounds: Sequence[Answered], member: str) -> float:
    return sum(each.usd[member] for each in rounds) / len(rounds)


def choose_members(rounds: Sequence[Answered], pool: Sequence[str]) -> list[str]:
    """The four most accurate: quality outweighs diversity."""
    ranked = sorted(pool, key=lambda name: accuracy_of(rounds, name), reverse=True)
    return ranked[:4]


def pool_accuracy(
    train: Sequence[Answered], test: Sequence[Answered], members: Sequence[str]
) -> float:
    """Without pairs and lengths, so that two hundred pools take half a minute."""
    rounds = rounds_of(train, members, lengths=False)
    weights = fit(rounds, terms=Terms(pairs=False, lengths=False))
    return sum(hit for _, hit in verdicts(test, members, weights)) / len(test)


def verdicts(
    rounds: Sequence[Answered], members: Sequence[str], weights: JointWeights
) -> list[tuple[float, bool]]:
    """Confidence and whether it was right, a round each."""
    found = []
    for each in rounds:
        answers, groups = each.groups(members)
        evidence = Evidence(
            weights=weights, task_type=each.task_type, lengths=each.lengths
        )
        decided = decide("calibrated", groups, evidence, ballots=len(members))
        if decided.group is None:
            found.append((0.0, False))
        else:
            right = answers[decided.group] == each.right
            found.append((decided.confidence or 0.0, right))
    return found


def majority_accuracy(
    rounds: Sequence[Answered], members: Sequence[str], priors: dict[str, float]
) -> float:
    right = 0
    for each in rounds:
        answers, groups = each.groups(members)
        evidence = Evidence(accuracy=priors)
        decided = decide("majority", groups, evidence, ballots=len(members))
        right += decided.group is not None and answers[decided.group] == each.right
    return right / len(rounds)


def oracle_accuracy(rounds: Sequence[Answered], members: Sequence[str]) -> float:
    right = sum(each.right in {each.said.get(m) for m in members} for each in rounds)
    return right / len(rounds)


def calibration_error(found: Sequence[tuple[float, bool]]) -> float:
    """Expected calibration error over ten equal bins."""
    sums = [0.0] * BINS
    for confidence, right in found:
        sums[min(int(confidence * BINS), BINS - 1)] += confidence - right
    return sum(abs(each) for each in sums) / len(found)


def early_plan(rounds: Sequence[Answered], members: Sequence[str]) -> Plan:
    """Chosen on the train part only."""
    usd = {name: mean_usd(rounds, name) for name in members}
    return finish(plan_for(rounds, members, usd))


def early_stop(rounds: Sequence[Answered], plan: Plan) -> tuple[float, float, float]:
    """Accuracy, mean calls and USD per 1,000 rounds."""
    ran = [(run_plan(plan, each), each.right) for each in rounds]
    count = len(ran)
    return (
        sum(each.answer == right for each, right in ran) / count,
        sum(each.calls for each, _ in ran) / count,
        sum(each.usd for each, _ in ran) / count * 1000.0,
    )


def random_pools(pool: Sequence[str], count: int) -> list[list[str]]:
    """Of 3 to 12 members; seeded, so that a run can be repeated."""
    random = Random(20)
    return [
        random.sample(list(pool), random.randint(3, min(12, len(pool))))
        for _ in range(count)
    ]


def worst_pool_gap(
    train: Sequence[Answered], test: Sequence[Answered], pools: Sequence[Sequence[str]]
) -> float:
    """How far consensus falls behind a pool's best member, at worst.

    In points of 1; negative when it is ahead in every pool.
    """
    alone = accuracies(test, sorted({name for pool in pools for name in pool}))
    return max(
        max(alone[name] for name in pool) - pool_accuracy(train, test, pool)
        for pool in pools
    )


def independent_votes(
    rounds: Sequence[Answered], members: Sequence[str]
) -> float | None:
    seen = [{m: each.said.get(m) == each.right for m in members} for each in rounds]
    found = error_correlation(seen)  # least and most are one: all is known
    return None if found is None else effective_votes(len(members), found.most)
