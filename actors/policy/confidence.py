"""How sure a ranking is of its first choice."""

import math

_FULL_TRUST_CALLS = 10


def beta_variance(alpha: float, beta: float) -> float:
    """Variance of a Beta distribution."""
    total = alpha + beta
    return alpha * beta / (total * total * (total + 1.0))


def decision_confidence(
    first: float, second: float, variance: float, calls: int
) -> float:
    """Phi((s1 - s2) / sqrt(v1 + v2)) * n / (n + 10), in [0, 1].

    Args:
        first: Score of the chosen candidate.
        second: Score of the best other one.
        variance: v1 + v2, the sum of the variances of both success posteriors.
        calls: n, the calls seen of the less known of the two.
    """
    gap = (first - second) / math.sqrt(max(variance, 1e-12))
    certainty = 0.5 * (1.0 + math.erf(gap / math.sqrt(2.0)))
    return certainty * calls / (calls + _FULL_TRUST_CALLS)
