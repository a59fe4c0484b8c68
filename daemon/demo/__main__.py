"""``python -m daemon.demo``."""

import sys

from actors.errors import GitBridgeError
from daemon.demo.show import say, show
from daemon.demo.stage import DemoFailed, stage


def main() -> int:
    """Run the demo; 0 if every step did what it says."""
    try:
        with stage() as running:
            show(running)
            code = running.stop()
    except (DemoFailed, GitBridgeError) as error:
        print(f"\nThe demo failed: {error}", file=sys.stderr)  # noqa: T201 - why
        return 1
    if code != 0:
        print(f"\nThe daemon ended with {code}", file=sys.stderr)  # noqa: T201 - why
        return 1
    say("\nEvery step did what it says. The daemon drained and ended with 0.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
