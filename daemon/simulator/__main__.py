"""``python -m daemon.simulator``: pretend providers until interrupted.

Prints one line of JSON: name -> base_url, control_url.
"""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, get_args

import anyio
from anyio import open_signal_receiver
from msgspec import json

from daemon.simulator.behaviour import Behaviour, Kind, changed
from daemon.simulator.catalogue import DEFAULTS
from daemon.simulator.server import ProviderSpec, simulate

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)


def main(argv: Sequence[str] | None = None) -> None:
    """Run until SIGINT or SIGTERM."""
    options = _parser().parse_args(argv)
    changes = options.behaviour.read_bytes() if options.behaviour else b"{}"
    specs = [
        ProviderSpec(
            name=kind,
            kind=kind,
            behaviour=_behaviour(kind, changes),
            port=options.port + index if options.port else 0,
        )
        for index, kind in enumerate(options.kinds or KINDS)
    ]
    anyio.run(_serve, specs)


def _behaviour(kind: Kind, changes: bytes) -> Behaviour:
    return changed(DEFAULTS[kind], changes)


async def _serve(specs: list[ProviderSpec]) -> None:
    async with simulate(specs) as providers:
        urls = {
            name: {"base_url": p.base_url, "control_url": p.control_url}
            for name, p in providers.items()
        }
        sys.stdout.write(json.encode(urls).decode() + "\n")
        sys.stdout.flush()
        with open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for _ in signals:
                return


def _kind(word: str) -> Kind:
    for kind in KINDS:
        if kind == word:
            return kind
    raise argparse.ArgumentTypeError(f"{word!r} is none of {', '.join(KINDS)}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m daemon.simulator",
        description="Pretend LLM providers over HTTP on 127.0.0.1.",
        epilog="Example: python -m daemon.simulator openai xai --port 8800",
    )
    parser.add_argument(
        "kinds", nargs="*", type=_kind, metavar="KIND", help=", ".join(KINDS)
    )
    parser.add_argument(
        "--port", type=int, default=0, help="first port; the next ones follow (0: any)"
    )
    parser.add_argument(
        "--behaviour", type=Path, help="JSON file with fields to change, for all"
    )
    return parser


if __name__ == "__main__":
    main()
