"""L1: ballots -> verdict. Pure; what two equal answers are was decided by ``compare``.

``weights`` says how likely each group of equal answers is to be right, by weights
fitted jointly over members, since models' errors correlate · ``fitting`` fits them from
labelled rounds, ``learned`` keeps those that feedback labels, by ``pages`` · ``independence`` counts how
many independent votes members are worth ·
``stopping`` says when asking further members cannot be worth it · ``methods`` are the
ways to decide.
"""
