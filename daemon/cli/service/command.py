"""``gitbridge service install|uninstall|status|print``."""

import argparse
from collections.abc import Callable, Iterable, Mapping

from daemon.cli.connection import CommandFailed, Connect
from daemon.cli.output import Output
from daemon.cli.render import service as render
from daemon.cli.service import steps as steps_of
from daemon.cli.service.places import Host, Scope, layout as layout_of
from daemon.cli.service.plan import Step, perform
from daemon.cli.service.reach import out_of_reach, parts_of_program
from daemon.cli.service.state import exit_code, state_of
from daemon.cli.service.systemd import Systemd
from daemon.cli.service.units import program, shipped, unit_files
from daemon.exits import EXIT_OK, EXIT_USAGE

_ELSEWHERE = (
    "install gitbridge where everybody can read it, for instance into a virtual "
    "environment in /opt/gitbridge made with /usr/bin/python3, or add --user"
)


def service(args: argparse.Namespace, out: Output, host: Host, connect: Connect) -> int:
    """Run one of them; returns the exit code.

    Raises:
        CommandFailed: It cannot be done; the message says why and what instead.
    """
    for flag, given, fits in (
        ("--now", args.now, ("install",)),
        ("--dry-run", args.dry_run, ("install", "uninstall")),
    ):
        if given and args.action not in fits:
            raise CommandFailed(
                f"{flag} is for {' and '.join(fits)}, not for {args.action}", EXIT_USAGE
            )
    asked = _Asked(args, out, host, connect)
    actions: Mapping[str, Callable[[], int]] = {
        "install": asked.install,
        "uninstall": asked.uninstall,
        "status": asked.status,
        "print": asked.print,
    }
    return actions[args.action]()


class _Asked:
    """One command: whose service, on which machine, and where the answer goes."""

    def __init__(
        self, args: argparse.Namespace, out: Output, host: Host, connect: Connect
    ) -> None:
        self._now: bool = args.now
        self._dry_run: bool = args.dry_run
        self._out = out
        self._host = host
        self._connect = connect
        self._scope: Scope = "user" if args.user else "system"
        self._layout = layout_of(self._scope, host)
        self._systemd = Systemd(host, self._scope)

    def print(self) -> int:
        """The units as they would be written; asks no systemd."""
        found = unit_files(self._layout, program()).items()
        texts = {str(path): text for path, text in found}
        if self._layout.sysusers is not None:
            texts[str(self._layout.sysusers)] = shipped("gitbridge.sysusers")
        if self._out.as_json:
            self._out.document({"files": texts})
        else:
            self._out.result(render.files(texts))
        return EXIT_OK

    def status(self) -> int:
        self._systemd.check()
        found = state_of(self._systemd, self._layout, self._connect)
        if self._out.as_json:
            self._out.document(found)
        else:
            self._out.result(render.state(found, self._out.paint))
        return exit_code(found)

    def install(self) -> int:
        self._may_change()
        command = program()
        warnings = self._warnings(command)
        words = self._systemd.words
        files = unit_files(self._layout, command)
        steps = steps_of.installing(words, self._layout, files, now=self._now)
        hints = steps_of.hints(words, self._layout, self._host, now=self._now)
        done = self._carry_out(steps, hints, warnings)
        if self._now and not self._dry_run:
            self._see_that_it_runs()
        self._finish(done)
        return EXIT_OK

    def _see_that_it_runs(self) -> None:
        """Whether the service that was started answers.

        Raises:
            CommandFailed: It does not; with what it said itself.
        """
        found = state_of(self._systemd, self._layout, self._connect)
        if not found.answers:
            said = "".join(f"\n  {each}" for each in found.last_words)
            raise CommandFailed(f"it was installed, but {found.reason}{said}")
        if not self._out.as_json:
            self._out.result(render.state(found, self._out.paint))

    def uninstall(self) -> int:
        self._may_change()
        steps = list(steps_of.uninstalling(self._systemd.words, self._layout))
        kept = (
            f"left as they are: {self._layout.config.parent} (configuration and keys), "
            f"{self._layout.state} (state)"
        )
        hints = [kept if steps else "no service was installed"]
        self._finish(self._carry_out(steps, hints))
        return EXIT_OK

    def _may_change(self) -> None:
        self._systemd.check()
        if not self._dry_run:
            self._systemd.check_rights()
        self._systemd.refuse_foreign(self._layout)

    def _warnings(self, command: list[str]) -> list[str]:
        """What will keep the service from starting; starting it now is refused."""
        if self._scope == "user":
            return []
        unseen = out_of_reach(parts_of_program(command))
        if unseen is None:
            return []
        if self._now:
            raise CommandFailed(f"the service could not start: {unseen}; {_ELSEWHERE}")
        return [f"the service will not start: {unseen}; {_ELSEWHERE}"]

    def _carry_out(
        self, steps: Iterable[Step], hints: Iterable[str], warnings: Iterable[str] = ()
    ) -> render.Deeds:
        """Say the steps, or do them one by one; warnings first, hints last."""
        plan, hints, warnings = list(steps), list(hints), list(warnings)
        done: list[render.Deed] = []
        for warning in warnings:
            self._out.note(f"{self._out.error_paint('warning:', 'warn')} {warning}")
        for step in plan:
            if not self._dry_run:
                perform(step, self._host.environ)
            done.append(deed := render.Deed(step.action, step.what, step.note))
            if not self._out.as_json:
                self._out.result(render.deed(deed, dry_run=self._dry_run))
        return render.Deeds(
            scope=self._scope,
            dry_run=self._dry_run,
            steps=done,
            warnings=warnings,
            hints=hints,
        )

    def _finish(self, done: render.Deeds) -> None:
        """The document, or what is left to do."""
        if self._out.as_json:
            self._out.document(done)
            return
        for hint in done.hints:
            self._out.note(hint)
