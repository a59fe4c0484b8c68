"""``make demo``: the main job, shown on a real daemon with pretend providers.

``stage`` starts the daemon as anybody would (``gitbridge serve --simulate``) on a
temporary socket and state folder, ``show`` runs the steps over that socket. Every figure
it ends with is read back from the daemon. Exits 0 only if every step did what it says.
"""
