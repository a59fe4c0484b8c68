"""``gitbridge config``: check it, show it with origins, print an example."""

import argparse
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from actors.errors import GitBridgeError
from daemon.cli.connection import Client, CommandFailed, typed
from daemon.cli.example import EXAMPLE
from daemon.cli.output import Output
from daemon.cli.render.settings import KeySource, Setting, settings as render_settings
from daemon.config import Config, ServeOptions, Settings
from daemon.config_diff import flat, origin_of
from daemon.credentials import KeyFinder, Resolved, resolve
from daemon.exits import EXIT_OK
from daemon.paths import state_folder
from daemon.provider_files import load_all
from ipc.results import StrategyResult

OVERRIDE = "run-time override"


class ShownConfig(Struct, frozen=True, kw_only=True):
    """What ``gitbridge config show --json`` prints."""

    path: str | None
    state_dir: str
    values: list[Setting]
    keys: list[KeySource]
    warnings: tuple[str, ...] = ()


def configure(
    args: argparse.Namespace,
    out: Output,
    environ: Mapping[str, str],
    running: Callable[[], Client | None],
) -> int:
    """Run ``config check``, ``show`` or ``example``.

    ``running`` gives a client if a daemon runs: its overrides are shown too.

    Raises:
        ConfigError: The configuration is wrong (78).
    """
    if args.action == "example":
        out.document({"example": EXAMPLE}) if out.as_json else out.result(EXAMPLE)
        return EXIT_OK
    flags = ServeOptions(
        config=args.config, socket=args.socket, state_dir=args.state_dir
    )
    loaded = load_all(flags, environ=environ, cwd=Path.cwd())
    if args.action == "check":
        found = resolve(loaded, environ=environ, cwd=Path.cwd(), simulate=args.simulate)
        return _check(found, out)
    state = state_folder(args.state_dir, environ)
    return _show(loaded, state, out, environ, running())


def _check(found: Resolved, out: Output) -> int:
    """Everything that ``serve`` would refuse has been raised by now."""
    for warning in found.warnings:
        out.note(f"{out.error_paint('warning:', 'warn')} {warning}")
    on = list(found.settings.config.enabled_providers)
    path = found.settings.path
    if out.as_json:
        out.document(
            {"ok": True, "path": path, "providers": on, "warnings": found.warnings}
        )
    else:
        where = path or "no file, all defaults"
        out.result(f"the configuration is fine ({where}); on: {', '.join(on)}")
    return EXIT_OK


def _show(
    loaded: Settings,
    state: Path,
    out: Output,
    environ: Mapping[str, str],
    client: Client | None,
) -> int:
    finder = KeyFinder(environ, Path.cwd())
    keys = [
        KeySource(name, finder.find(name, provider).source)
        for name, provider in loaded.config.enabled_providers.items()
    ]
    values = list(flattened(loaded.config, loaded.origins))
    values = with_overrides(values, override_of(client))
    warnings = (*loaded.warnings, *finder.warnings)
    if out.as_json:
        shown = ShownConfig(
            path=loaded.path,
            state_dir=str(state),
            values=values,
            keys=keys,
            warnings=warnings,
        )
        out.document(shown)
        return EXIT_OK
    out.result(f"file: {loaded.path or 'none'}")
    out.result(f"state: {state}")
    out.result(render_settings(values, keys, out.paint))
    for warning in warnings:
        out.note(f"{out.error_paint('warning:', 'warn')} {warning}")
    return EXIT_OK


def flattened(config: Config, origins: Mapping[str, str]) -> Iterator[Setting]:
    """Every value of the configuration by its dotted key, with its origin."""
    for section in config.__struct_fields__:
        for key, value in flat(getattr(config, section), section):
            yield Setting(key, value, origin_of(key, origins))


def override_of(client: Client | None) -> StrategyResult | None:
    """The strategy and weights set at run time, as far as anybody can say."""
    if client is None:
        return None
    try:
        result = typed(client.call("strategy.get", {}), StrategyResult)
    except (CommandFailed, GitBridgeError):
        return None
    return result if result.overridden else None


def with_overrides(
    values: list[Setting], override: StrategyResult | None
) -> list[Setting]:
    """The values with what was set at run time in place of what is configured."""
    if override is None:
        return values
    changed: dict[str, object] = {}
    if override.strategy_overridden:
        changed["routing.strategy"] = override.strategy
    if override.weights_overridden:
        weights = msgspec.structs.asdict(override.weights)
        changed |= {f"routing.weights.{name}": each for name, each in weights.items()}
    return [
        Setting(each.key, changed[each.key], OVERRIDE) if each.key in changed else each
        for each in values
    ]
