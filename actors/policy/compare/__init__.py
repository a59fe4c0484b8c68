"""L1: when are two answers the same answer, decided without asking a model.

In the order in which they are tried, each a module of its own: ``normalise`` (the same
words), ``tool_calls``, ``json_values``, ``source_code``, ``final_answer`` with
``options`` and ``quantity`` (what the answer comes to: an option's letter, a number, a
boxed or announced value), ``lexical`` (short texts that say nearly the same).
``clusters`` puts them together: answers in, groups and the rule that joined each out.

Every comparison says which rule decided. What none of them joins stays apart: free text
is never grouped by being typical.
"""
