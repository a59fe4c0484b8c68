"""How a service is: what systemd says, and whether the daemon answers."""

from actors.errors import GitBridgeError, NotPermitted
from daemon.cli.connection import CommandFailed, Connect, typed
from daemon.cli.render.service import ServiceState, UnitState
from daemon.cli.service.places import SERVICE, SOCKET, Layout
from daemon.cli.service.systemd import Systemd, Unit
from daemon.exits import EXIT_NOT_PERMITTED, EXIT_OK, EXIT_UNREACHABLE
from ipc.results import StatusResult

NOT_PERMITTED = "you may not use the socket"


def state_of(systemd: Systemd, layout: Layout, connect: Connect) -> ServiceState:
    """Ask systemd, and the daemon only if it runs: a question would start it."""
    service, socket = systemd.show(SERVICE), systemd.show(SOCKET)
    answer: StatusResult | None = None
    reason = service.failed
    if not service.loaded:
        reason = "the service is not installed: gitbridge service install"
    elif service.active:
        answer, reason = _ask(connect, layout)
    elif reason is None:
        reason = f"the service is {service['ActiveState']}"
    pid = int(service["MainPID"] or 0)
    return ServiceState(
        scope=layout.scope,
        service=_unit(service, service.failed),
        socket=_unit(socket, None, str(layout.socket) if socket.loaded else None),
        status=service["StatusText"] or None,
        pid=pid or None,
        restarts=int(service["NRestarts"] or 0) if service.loaded else None,
        answers=(answer is not None) if service.active else None,
        version=answer.version if answer else None,
        reason=reason,
        last_words=systemd.last_words(service) if service.failed else (),
    )


def exit_code(found: ServiceState) -> int:
    """0 when the daemon answers, 77 when we may not ask it, 69 otherwise."""
    if found.answers:
        return EXIT_OK
    refused = found.reason is not None and found.reason.startswith(NOT_PERMITTED)
    return EXIT_NOT_PERMITTED if refused else EXIT_UNREACHABLE


def _ask(connect: Connect, layout: Layout) -> tuple[StatusResult | None, str | None]:
    try:
        with connect([layout.socket]) as client:
            return typed(client.call("status", {}), StatusResult), None
    except NotPermitted as error:
        return None, f"{NOT_PERMITTED}: {error.message}"
    except (GitBridgeError, CommandFailed) as error:
        return None, f"the daemon does not answer on {layout.socket}: {error}"


def _unit(unit: Unit, problem: str | None, path: str | None = None) -> UnitState:
    return UnitState(
        name=unit.name,
        active=unit["ActiveState"] if unit.loaded else "not installed",
        sub=unit["SubState"] if unit.loaded else "",
        enabled=unit["UnitFileState"],
        path=path or unit["FragmentPath"] or None,
        problem=problem,
    )
