"""The commands that only read: each one method, one result, one rendering."""

import argparse
from collections.abc import Callable, Mapping
from typing import TypeVar

from msgspec import Struct

from actors.messages.whatif import WhatIf
from daemon.cli.connection import Client, typed
from daemon.cli.output import Output
from daemon.cli.render import models, records, status, whatif
from daemon.cli.render.table import Paint
from daemon.exits import EXIT_OK
from ipc.explanation import Explanation
from ipc.listing import ModelsResult
from ipc.results import (
    HistoryResult,
    MetricsResult,
    ProvidersResult,
    StatusResult,
    UsageResult,
)

R = TypeVar("R", bound=Struct)
Render = Callable[[object, Paint], str]


def _as(kind: type[R], render: Callable[[R, Paint], str]) -> Render:
    return lambda result, paint: render(typed(result, kind), paint)


RENDERERS: Mapping[str, Render] = {
    "status": _as(StatusResult, status.status),
    "providers": _as(ProvidersResult, status.providers),
    "models": _as(ModelsResult, models.models),
    "metrics": _as(MetricsResult, status.metrics),
    "history": _as(HistoryResult, records.history),
    "explain": _as(Explanation, records.explain),
    "usage": _as(UsageResult, records.usage),
    "whatif": _as(WhatIf, whatif.whatif),
}


def read(args: argparse.Namespace, client: Client, out: Output) -> int:
    """Run one of the commands in ``RENDERERS``."""
    name: str = args.command
    result = client.call(name, reading_params(args))
    if out.as_json:
        out.document(result)
    else:
        out.result(RENDERERS[name](result, out.paint))
    return EXIT_OK


def reading_params(args: argparse.Namespace) -> dict[str, object]:
    """What the method is asked, from the command's flags."""
    match args.command:
        case "history":
            return {"limit": args.limit}
        case "explain":
            return {"id": args.id, **({"all": True} if args.all else {})}
        case "usage":
            since = {} if args.since is None else {"since": args.since}
            return {**since, "by": args.by}
        case "whatif":
            names = (
                "strategy",
                "cost",
                "performance",
                "availability",
                "since",
                "limit",
            )
            said = {name: getattr(args, name) for name in names}
            return {name: value for name, value in said.items() if value is not None}
        case _:
            return {}
