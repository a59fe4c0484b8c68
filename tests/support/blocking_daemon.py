"""The daemon with one fault more: SIGUSR1 has its event loop hang for good."""

import signal
import sys
import threading

from daemon.__main__ import main


def hang_in_the_event_loop(*_: object) -> None:
    """Runs in the loop's own thread, as a callback of ours would that never returns."""
    threading.Event().wait()


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, hang_in_the_event_loop)
    sys.exit(main())
