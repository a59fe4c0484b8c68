"""What may be typed about events, as part of ``parser``."""

from daemon.cli.arguments import Commands, Parser, add, add_client


def add_events(commands: "Commands[Parser]") -> None:
    """``events publish``."""
    examples = (
        "gitbridge events publish event.json",
        """echo '{"name": "deploy.failed"}' | gitbridge events publish -""",
    )
    parser = add(commands, "events", "tell what happened elsewhere", examples)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    publish = add(actions, "publish", "have the rules judge an event", examples)
    publish.add_argument("file", metavar="FILE", help="its JSON; - reads stdin")
    add_client(publish)
