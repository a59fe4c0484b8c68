"""A real systemd in throw-away namespaces, for tests of the service.

Realism: the systemd is the machine's own, PID 1 of a small system whose files are the
machine's underneath and forgotten at the end; its network is the machine's, so pretend
providers of the test are reached. What it is not: no udev, no logind, and limits on
memory and tasks hold only where the machine's cgroups allow it.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import msgspec
import pytest

TOOL = Path(__file__).parent / "systemd-sandbox"
NOT_POSSIBLE = 125
BOOT_S = 30
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

Done = subprocess.CompletedProcess[str]
Entry = dict[str, object]


class Sandbox:
    """A booted system: its files are below ``root``, commands run in it with ``run``."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.root = Path(f"/proc/{pid}/root")
        self.environ = {"PATH": PATH, "LANG": "C.UTF-8", "HOME": "/root"}

    def path(self, inside: str | Path) -> Path:
        """Where a file of the system is for us."""
        return self.root / str(inside).lstrip("/")

    def run(
        self,
        *argv: str,
        check: bool = True,
        timeout_s: float = 60.0,
        stdin: str = "",
        environ: Mapping[str, str] | None = None,
    ) -> Done:
        """Run a command as root of the sandbox, with only its environment."""
        done = subprocess.run(
            [*self._inside({**self.environ, **(environ or {})}), *argv],
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
        if check and done.returncode != 0:
            raise AssertionError(
                f"{' '.join(argv)} exits with {done.returncode}\n"
                f"{done.stdout}{done.stderr}{self.tail()}"
            )
        return done

    def _inside(self, environ: Mapping[str, str]) -> list[str]:
        variables = [f"{name}={value}" for name, value in environ.items()]
        nsenter = ["nsenter", "--target", str(self._pid), "--all", "--root"]
        return [*nsenter, "--wdns=/", "--", "env", "-i", *variables]

    def as_user(
        self, name: str, *argv: str, check: bool = True, stdin: str = ""
    ) -> Done:
        """Run a command as that user, with the groups they have now."""
        uid = self.run("id", "-u", name).stdout.strip()
        own = {
            "HOME": f"/home/{name}",
            "USER": name,
            "XDG_RUNTIME_DIR": f"/run/user/{uid}",
        }
        become = ("setpriv", f"--reuid={name}", f"--regid={name}", "--init-groups")
        return self.run(*become, *argv, check=check, environ=own, stdin=stdin)

    def write(self, inside: str, text: str, mode: int = 0o644) -> None:
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def journal(self, *words: str) -> list[Entry]:
        """Entries of the journal, oldest first; ``words`` choose some."""
        said = self.run("journalctl", "-q", "-a", "--no-pager", "-o", "json", *words)
        decode = msgspec.json.Decoder(Entry).decode
        return [decode(line) for line in said.stdout.splitlines()]

    def tail(self) -> str:
        """The end of the journal, for messages."""
        words = ("journalctl", "-q", "--no-pager", "-n15", "-o", "short-precise")
        return self.run(*words, check=False).stdout


@contextmanager
def sandbox(
    binds: Mapping[Path, str], journal: Path | None = None
) -> Iterator[Sandbox]:
    """Boot, and at the end forget everything; ``journal`` gets all that was logged.

    Skips the test, with the reason, where it is not possible.

    Args:
        binds: Folders of ours and where they are seen, read-only.
        journal: Where the whole journal goes, one JSON object a line.
    """
    if shutil.which("bash") is None:
        pytest.skip("no systemd sandbox: bash is not installed")
    with tempfile.TemporaryDirectory(prefix="gitbridge-sandbox-") as folder:
        pid_file = Path(folder) / "pid"
        words = ["--net", "host", "--quiet", "--pid-file", str(pid_file)]
        words += ["--timeout", str(BOOT_S)]
        for source, target in binds.items():
            words += ["--bind-ro", f"{source}:{target}"]
        if journal is not None:
            words += ["--journal", str(journal)]
        errors = Path(folder) / "errors"
        with errors.open("wb") as err:
            process = subprocess.Popen(
                # `cat` ends when we hang up, however we do
                [str(TOOL), *words, "--", "cat"],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=err,
                env={"PATH": os.environ.get("PATH", PATH), "LANG": "C.UTF-8"},
            )
        try:
            yield Sandbox(_booted(process, pid_file, errors))
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.terminate()
                process.wait(30)


def _booted(process: subprocess.Popen[bytes], pid_file: Path, errors: Path) -> int:
    deadline = monotonic() + BOOT_S + 5
    while not (pid_file.exists() and (said := pid_file.read_text()).endswith("\n")):
        code = process.poll()
        if code == NOT_POSSIBLE:
            why = errors.read_text(errors="replace").strip().splitlines()[-1:]
            pytest.skip(f"no systemd sandbox here: {''.join(why)}")
        assert code is None, errors.read_text(errors="replace")
        assert monotonic() < deadline, errors.read_text(errors="replace")
        sleep(0.01)
    return int(said)


def messages(entries: Sequence[Entry]) -> list[str]:
    """What was said, entry by entry."""
    return [str(each.get("MESSAGE")) for each in entries]
