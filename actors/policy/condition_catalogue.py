"""Every condition that an operator may be told of, as data.

A part of the daemon that finds one of them wrong says its code and the values of its
text (``Finding``); how bad it is, what it is called, what to do about it, and how long
it must hold before anybody hears of it stand here, once.
"""

from collections.abc import Mapping

from msgspec import Struct

from actors.messages.lifecycle import Severity


class Kind(Struct, frozen=True, kw_only=True):
    """One kind of condition.

    Attributes:
        severity: ``error``: requests fail or records are lost; ``warning``: something is
            worse than it should be; ``info``: good to know.
        title: A few words.
        text: A sentence with places for the finding's values.
        advice: What to do about it.
        grace_s: How long it must hold before it is told; what passes by itself sooner
            is nobody's business.
        linger_s: How long it must be gone before it is over; one that comes back sooner
            is the same one, and nothing is said anew.
        not_ready: While it holds, ``/ready`` says no.
    """

    severity: Severity
    title: str
    text: str
    advice: str
    grace_s: float = 0.0
    linger_s: float = 0.0
    not_ready: bool = False


_PROVIDERS: Mapping[str, Kind] = {
    "all_providers_down": Kind(
        severity="error",
        title="No provider can be used",
        text="none of {count} providers can be used now: {reasons}",
        advice="Requests are tried all the same. gitbridge health asks them anew; the"
        " other conditions say what each of them lacks.",
        grace_s=2.0,
        linger_s=10.0,
    ),
    "provider_key_refused": Kind(
        severity="error",
        title="Key refused",
        text="{provider} refuses our key",
        advice="Give it a valid key, then gitbridge health {provider}; until a check"
        " passes the others are asked instead.",
    ),
    "provider_out_of_money": Kind(
        severity="error",
        title="Account out of money",
        text="the account at {provider} is out of money or over its spending limit",
        advice="Top it up or raise its limit. It is asked again once a minute while"
        " requests come.",
    ),
    "provider_unhealthy": Kind(
        severity="warning",
        title="Health check fails",
        text="the last health check of {provider} failed: {error}",
        advice="The others are asked instead; gitbridge health {provider} checks anew.",
        linger_s=10.0,
    ),
    "breaker_open": Kind(
        severity="warning",
        title="Breaker open",
        text="{provider}/{model} failed too often and is left out ({phase})",
        advice="Nothing has to be done: requests try it again now and then, and two"
        " successes close it.",
        linger_s=10.0,
    ),
    "model_retiring": Kind(
        severity="info",
        title="Model is switched off",
        text="{provider} has announced to switch {model} off on {day}",
        advice="Name its successor in the configuration; gitbridge models lists what"
        " there is.",
    ),
    "provider_file_refused": Kind(
        severity="warning",
        title="Provider file refused",
        text="{path}: {error}",
        advice="Correct it; what it said before stays in force until then.",
    ),
    "provider_left_out": Kind(
        severity="warning",
        title="Provider without a key",
        text="{provider} is configured in providers.d, and no key was found for it",
        advice="Put its key where keys are looked for.",
    ),
    "budget_nearly_spent": Kind(
        severity="warning",
        title="Budget nearly spent",
        text="of the daily budget of {whose}, {limit}, {spent} are spent",
        advice="When it is spent its requests are refused until the next UTC day; a"
        " larger budget in the configuration takes effect with gitbridge reload.",
    ),
    "budget_spent": Kind(
        severity="error",
        title="Budget spent",
        text="the daily budget of {whose} is spent: {spent} of {limit}",
        advice="Its requests are refused with budget_exceeded until the next UTC day, or"
        " until a larger budget in the configuration takes effect (gitbridge reload).",
    ),
    "budgets_unsure": Kind(
        severity="warning",
        title="Budgets not certain",
        text="what was spent today before the start is not known: {error}",
        advice="Until the ledger can be read, daily budgets count only what was spent"
        " since the start; it is tried again by itself.",
        grace_s=1.0,
    ),
    "daemon_id_taken": Kind(
        severity="error",
        title="Two daemons with one id",
        text="another daemon on the same Redis has the id that is in {file}",
        advice="The state folder of one is a copy of the other's. Stop one of them,"
        " remove that file there, and start it again: until then budgets that they"
        " share may be overdrawn.",
    ),
    "redis_away": Kind(
        severity="warning",
        title="Redis away",
        text="the Redis at {address} cannot be reached: {error}",
        advice="Requests are answered as before; limits and budgets that daemons share"
        " are each daemon's own share meanwhile. Nothing has to be done here: it is"
        " tried again by itself.",
        grace_s=1.0,
    ),
    "prices_unknown": Kind(
        severity="warning",
        title="Prices unknown",
        text="costs are unknown: {error}",
        advice="It is tried again every ten minutes; or set providers.<name>.price in"
        " the configuration.",
        grace_s=15.0,  # a first start compiles the list, which takes seconds
    ),
}

_RECORDS: Mapping[str, Kind] = {
    "ledger_behind": Kind(
        severity="warning",
        title="Ledger behind",
        text="records wait to be written into the database: {error}",
        advice="Requests are answered; their records wait in the spool. Check that the"
        " state folder's disk has room and that no other program locks gitbridge.db.",
        grace_s=1.0,  # a hiccup is over by then
    ),
    "ledger_unavailable": Kind(
        severity="error",
        title="Ledger unavailable",
        text="the database cannot be opened: {error}",
        advice="Requests are answered; their records wait in the spool, and nothing can"
        " be read from the ledger. Make the state folder and gitbridge.db in it"
        " readable and writable for the daemon; it is tried again by itself.",
        not_ready=True,
        grace_s=1.0,  # a hiccup is over by then
    ),
    "spool_unwritable": Kind(
        severity="error",
        title="Requests are not recorded",
        text="the last request's record could not be written: {error}",
        advice="Requests are answered but not recorded. Make room in the state folder,"
        " or make its spool folder writable; recording resumes by itself.",
        not_ready=True,
    ),
    "spool_damaged": Kind(
        severity="warning",
        title="Records damaged",
        text="{count} pieces of the spool could not be folded",
        advice="What could not be read is kept in spool/damaged in the state folder.",
    ),
    "database_corrupt": Kind(
        severity="error",
        title="Database was damaged",
        text="the ledger's database was damaged and is now {path}",
        advice="A new database was begun. History, usage and totals from before are in"
        " the file that was moved aside; check the disk.",
    ),
    "usage_log_unwritable": Kind(
        severity="warning",
        title="Usage logs behind",
        text="the usage logs cannot be written: {error}",
        advice="Usage is in the database. Make the logs folder in the state folder"
        " writable; the lines that are missing are written then.",
    ),
    "queue_unavailable": Kind(
        severity="error",
        title="Task queue unavailable",
        text="tasks can be neither kept nor worked now: {error}",
        advice="Requests are answered all the same. Tasks that were accepted are safe;"
        " work on them resumes by itself once what keeps them can be reached.",
        grace_s=2.0,
    ),
    "queue_not_durable": Kind(
        severity="warning",
        title="Tasks may be lost",
        text="the Redis that keeps the tasks may lose them: {error}",
        advice="Set appendonly yes, appendfsync always and maxmemory-policy noeviction"
        " there, as docs/several-daemons.md says; or queue.backend to sqlite.",
    ),
    "disk_nearly_full": Kind(
        severity="warning",
        title="Disk nearly full",
        text="the disk of {folder} has {free} left of {size}",
        advice="Make room there, or let ledger.retention_days delete old requests. When"
        " it is full requests are answered but not recorded.",
    ),
}

_PROCESS: Mapping[str, Kind] = {
    "configuration_refused": Kind(
        severity="warning",
        title="Configuration refused",
        text="configuration refused at the last reload: {error}",
        advice="The one before stays in force. gitbridge config check says what is"
        " wrong; correct it and reload.",
    ),
    "restart_needed": Kind(
        severity="info",
        title="Restart needed",
        text="changed in the configuration, not in effect: {keys}",
        advice="Restart the daemon for it, or take the change back and reload.",
    ),
    "clock_jumped": Kind(
        severity="warning",
        title="Clock jumped",
        text="the system's clock jumped {jump}, or the machine slept",
        advice="Times in records and logs before and after do not compare. Deadlines"
        " and breakers are not affected. Check the time synchronisation if it recurs.",
    ),
    "event_loop_lag": Kind(
        severity="warning",
        title="Event loop lags",
        text="the daemon was too busy to react for {lag} of the last minute",
        advice="Give it more of a processor, or it fewer requests; if neither helps,"
        " tell us what it was doing.",
    ),
    "descriptors_nearly_exhausted": Kind(
        severity="error",
        title="File descriptors nearly exhausted",
        text="{used} of {limit} file descriptors are in use",
        advice="New connections are refused, the last ones are for providers and files;"
        " clients that are connected go on. Raise LimitNOFILE (ulimit -n), or find the client that leaves"
        " connections open.",
    ),
    "log_lines_dropped": Kind(
        severity="warning",
        title="Log lines lost",
        text="{count} log lines were lost since the start: whoever reads them stalls",
        advice="Look at what reads the daemon's standard output (journald, a pipe).",
    ),
    "health_log_unwritable": Kind(
        severity="warning",
        title="Health logs not written",
        text="{path} cannot be written: {error}",
        advice="Make the logs folder in the state folder writable, or make room there.",
    ),
}

CATALOGUE: Mapping[str, Kind] = {**_PROVIDERS, **_RECORDS, **_PROCESS}
"""Every kind by its code."""
