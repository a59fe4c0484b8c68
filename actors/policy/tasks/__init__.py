"""Decisions about durable work: pure, like all of ``policy``.

``shares`` which priority fills which free place · ``backoff`` when a failed attempt is
tried again · ``checks`` whether an answer is what was asked for · ``remedies`` what follows when it is not.
"""
