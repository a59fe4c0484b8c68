"""``gitbridge logs`` over files, stdin and a pretended journalctl.

Realism: the pretended one answers with what it is given, whatever it is asked for; what
it was asked is looked at. The real one is run in the system tests.
"""

import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tests.support.cli import Machine

STAMP = "2026-11-29T00:36:31.250Z"

FAKE = """#!{python}
import sys
with open({asked!r}, "a") as file:
    file.write(" ".join(sys.argv[1:]) + "\\n")
if "--quiet" in sys.argv:
    print(end={anything!r})
else:
    print(end={answer!r})
    print(end={complaint!r}, file=sys.stderr)
    sys.exit({code})
"""


def ours(event: str, level: str = "info", **fields: object) -> str:
    head = {"timestamp": STAMP, "level": level, "event": event}
    return msgspec.json.encode({**head, **fields}).decode()


def entry(message: str) -> str:
    fields = {
        "MESSAGE": message,
        "PRIORITY": "6",
        "_TRANSPORT": "stdout",
        "__REALTIME_TIMESTAMP": "1795912591250000",
    }
    return msgspec.json.encode(fields).decode() + "\n"


class Journal:
    """A ``journalctl`` first on the path."""

    def __init__(self, folder: Path) -> None:
        self._program = folder / "journalctl"
        self._asked = folder / "asked"

    def answers(
        self, text: str, *, anything: str = "x", complaint: str = "", code: int = 0
    ) -> None:
        self._program.write_text(
            FAKE.format(
                python=sys.executable,
                asked=str(self._asked),
                anything=anything,
                answer=text,
                complaint=complaint,
                code=code,
            )
        )
        self._program.chmod(0o755)

    @property
    def asked(self) -> list[str]:
        return self._asked.read_text().splitlines()


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Journal:
    monkeypatch.setenv("PATH", str(tmp_path))
    return Journal(tmp_path)


def events(machine: Machine) -> list[str]:
    return [line.split()[3] for line in machine.screen.out.splitlines()]


# ---- the journal


def test_the_journal_of_the_unit_is_shown(journal: Journal) -> None:
    journal.answers(entry(ours("ready")) + entry("Traceback:"))
    machine = Machine()

    assert machine.type("logs") == 0
    assert machine.screen.out.splitlines() == [
        "2026-11-29 00:36:31Z  info      ready",
        "2026-11-29 00:36:31Z  Traceback:",
    ]
    assert journal.asked == [
        "--no-pager --all --output=json --unit=gitbridge --lines=100"
    ]


@pytest.mark.parametrize(
    ("flags", "asked"),
    [
        ("--user --unit other", "--user --no-pager --all --output=json --unit=other"),
        ("-n 7", "--lines=7"),
        ("--since 2026-11-29", "--since=@1795910400.000000"),
        ("--since 2026-11-29 -n 7", "--since=@1795910400.000000 --lines=7"),
        ("--level error -n 7", "--unit=gitbridge"),  # of those that are wanted
        ("-f", "--follow --lines=100"),
        ("-f -n 3", "--follow --lines=3"),
        ("-f --level error", "--follow --lines=1000"),
        ("-f --since 2026-11-29", "--since=@1795910400.000000 --follow --no-tail"),
    ],
)
def test_flags_become_journalctls(journal: Journal, flags: str, asked: str) -> None:
    journal.answers(entry(ours("ready")))
    machine = Machine()

    assert machine.type("logs", *flags.split()) == 0
    assert asked in journal.asked[-1]
    assert journal.asked[-1].endswith(asked) or "--user" in flags


def test_the_last_of_those_that_are_wanted_are_shown(journal: Journal) -> None:
    levels = ("error", "info", "warning", "error", "info")
    journal.answers("".join(entry(ours(f"e{n}", x)) for n, x in enumerate(levels)))
    machine = Machine()

    assert machine.type("logs", "--level", "warning", "-n", "2") == 0
    assert events(machine) == ["e2", "e3"]


def test_lines_of_one_request(journal: Journal) -> None:
    journal.answers(
        entry(ours("attempt_failed", request_id="01A", decision_id="01D"))
        + entry(ours("attempt_failed", request_id="01B"))
        + entry("Traceback")
        + entry(ours("request_finished", request_id="01A", decision_id="01D"))
    )
    machine = Machine()

    assert machine.type("logs", "--request", "01D") == 0
    assert events(machine) == ["attempt_failed", "request_finished"]


def test_json_is_one_document(journal: Journal) -> None:
    journal.answers(entry(ours("ready", n=1)) + entry("Traceback"))
    machine = Machine()

    assert machine.type("logs", "--json") == 0
    document = machine.screen.document
    assert isinstance(document, dict)
    first, second = document["lines"]
    assert (first["event"], first["n"]) == ("ready", 1)
    assert second == {"timestamp": "2026-11-29 00:36:31Z", "raw": "Traceback"}


def test_json_that_is_followed_is_one_a_line(journal: Journal) -> None:
    journal.answers(entry(ours("ready")) + entry(ours("stopped")))
    machine = Machine()

    assert machine.type("logs", "--json", "-f") == 0
    lines = [msgspec.json.decode(x) for x in machine.screen.out.splitlines()]
    assert [each["event"] for each in lines] == ["ready", "stopped"]


def test_without_journalctl_it_says_what_to_do(journal: Journal) -> None:
    machine = Machine()

    assert machine.type("logs") == 69
    assert "there is no journal here" in machine.screen.err
    assert "gitbridge logs -" in machine.screen.err


@pytest.mark.parametrize("flags", [(), ("-f",)])
def test_an_empty_journal_is_no_journal(
    journal: Journal, flags: tuple[str, ...]
) -> None:
    journal.answers("", anything="", complaint="No journal files were found.")
    machine = Machine()

    assert machine.type("logs", *flags) == 69
    assert "the journal is empty" in machine.screen.err
    assert "gitbridge logs -" in machine.screen.err


def test_an_error_without_json_is_one_document_too(journal: Journal) -> None:
    machine = Machine()

    assert machine.type("logs", "--json") == 69
    assert isinstance(machine.screen.document, dict)
    assert machine.screen.document["error"]["kind"] == "unreachable"


def test_a_unit_that_never_said_anything_is_called_so(journal: Journal) -> None:
    journal.answers("", complaint="Hint: you see only your own messages.")
    machine = Machine()

    assert machine.type("logs", "--unit", "other") == 0
    assert machine.screen.out == ""
    assert "nothing of unit other in the journal" in machine.screen.err
    assert "Hint" in machine.screen.err


def test_what_journalctl_complains_of_is_said(journal: Journal) -> None:
    journal.answers("", complaint="Failed to open the journal", code=1)
    machine = Machine()

    assert machine.type("logs") == 1
    assert "journalctl failed: Failed to open the journal" in machine.screen.err


def test_a_journalctl_that_speaks_nonsense_is_told(journal: Journal) -> None:
    journal.answers("nonsense\n")
    machine = Machine()

    assert machine.type("logs") == 1
    assert "'nonsense" in machine.screen.err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--since yesterday", "7d"),
        ("--level loud", "wanted one of debug"),
        ("-n 0", "wanted a whole number from 1"),
    ],
)
def test_wrong_flags_are_usage_errors(
    journal: Journal, capsys: pytest.CaptureFixture[str], flags: str, said: str
) -> None:
    machine = Machine()

    assert machine.type("logs", *flags.split()) == 64
    assert said in machine.screen.err + capsys.readouterr().err


# ---- files and stdin


def test_a_file_is_shown_whole_or_its_end(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(
        b"\n".join(ours(f"e{n}").encode() for n in range(5)) + b"\nodd \xff\n"
    )
    whole, end = Machine(), Machine()

    assert whole.type("logs", str(path)) == 0
    assert whole.screen.out.splitlines()[-1] == "odd \ufffd"
    assert end.type("logs", str(path), "-n", "2") == 0
    assert len(whole.screen.out.splitlines()) == 6
    assert end.screen.out.splitlines() == whole.screen.out.splitlines()[-2:]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    machine = Machine()

    assert machine.type("logs", str(tmp_path / "none")) == 1
    assert "none cannot be read: No such file or directory" in machine.screen.err


@pytest.mark.slow
def test_stdin_is_shown_as_it_comes() -> None:
    with piped("logs", "-") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(ours("ready") + "\n")
        process.stdin.flush()
        assert process.stdout.readline().endswith("ready\n")  # before there is more
        process.stdin.write("Traceback\n")
        process.stdin.close()

        assert process.stdout.read() == "Traceback\n"
        assert process.wait(10) == 0


@pytest.mark.slow
def test_a_file_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(ours("e1") + "\n" + ours("e2") + "\n")
    with piped("logs", "-f", "-n", "1", str(path)) as process:
        assert process.stdout is not None
        assert process.stdout.readline().endswith("e2\n")
        half, rest = ours("e3")[:20], ours("e3")[20:]
        with path.open("a") as file:
            file.write(half)
            file.flush()
            file.write(rest + "\n")

        assert process.stdout.readline().endswith("e3\n")
        process.terminate()


@pytest.mark.slow
def test_following_ends_without_a_word_when_it_is_interrupted(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(ours("ready") + "\n")
    with piped("logs", "-f", str(path)) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().endswith("ready\n")
        process.send_signal(signal.SIGINT)

        assert process.wait(10) == 130
        assert process.stderr.read() == ""


@pytest.mark.slow
def test_whoever_has_read_enough_may_leave() -> None:
    with piped("logs", "-") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stdin.write(ours("ready") + "\n")
        process.stdin.close()

        assert process.wait(10) == 0
        assert process.stderr.read() == ""


def piped(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "daemon", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
