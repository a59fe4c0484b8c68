"""Python's stack on stderr when the process is asked for it, or is about to die.

systemd's watchdog ends a process that hangs with SIGABRT: the dump says where it hung.
"""

import contextlib
import faulthandler
import signal


def dump_stacks_on_signals() -> None:
    """Every thread's stack: on SIGABRT and crashes before the end, on SIGQUIT at will.

    SIGQUIT changes nothing else: ``kill -QUIT`` shows what a slow daemon is doing.
    """
    with contextlib.suppress(OSError, RuntimeError, ValueError):  # stderr is closed
        faulthandler.enable()
        faulthandler.register(signal.SIGQUIT, all_threads=True)
