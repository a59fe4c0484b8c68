"""Results to text. Pure: no I/O, no clock, no terminal; a ``Paint`` says if colours.

``table`` is layout · ``units`` turns numbers into words · ``status``, ``models``,
``records``, ``health`` and ``settings`` each render one group of results ·
``log_lines`` what the daemon logs.
"""
