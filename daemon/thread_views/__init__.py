"""A thread, or who agreed with whom in many, as documents and pictures; pure.

``rounds`` and ``agreement`` say what is to be shown · ``markdown``, ``mermaid``,
``flow_svg`` and ``agreement_svg`` show it · ``drawing`` is what pictures are made of.
Imported when somebody asks for one.
"""
