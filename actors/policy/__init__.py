"""L1: decisions as pure functions: (state, message, now) -> (state, effects).

Breaker, rolling metrics, scoring, attempts, limits, admission, pricing. No clock, no
randomness, no I/O of its own: ``now`` and random draws are arguments. Imports messages
and errors only.
"""
