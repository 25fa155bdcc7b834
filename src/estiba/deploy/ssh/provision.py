"""What a server needs before it can serve: Nix, the server's program and a release, each brought if it is missing."""

from __future__ import annotations

import base64
import functools
import gzip
import io
import platform
import shlex
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from estiba.digest import Digest
from estiba.errors import CommandError, ConfigError, ConnectionLostError, DeployError, TargetError
from estiba.nix import commands as nix
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from estiba.config import Config
    from estiba.deploy.ssh.connection import Connection
    from estiba.process import Completed, Runner

_FOLDER: Final = ".local/share/estiba/server"
"""Folder on the server, in the home folder of the user."""

_PARTS: Final = ("nixw", "nix/bootstrap", "nix/seed", "estiba.lock")
"""Files of Estiba that bring Nix."""

_NO_NIX: Final = 41
_NO_PROGRAM: Final = 42
_OTHER_MACHINE: Final = 43
_TRIES: Final = 5
_PAUSE: Final = 1.0

# An installed Nix is not on the PATH of every kind of session.
_PATH: Final = 'export PATH="$PATH:/nix/var/nix/profiles/default/bin"'
_FIND: Final = f"""
folder={_FOLDER}/$1; shift
[ -x "$folder/nixw" ] || exit {_NO_NIX}
{_PATH}
"""
_ENTER: Final = f'{_FIND}exec "$folder/nixw" --exec "$@"'
_RUN: Final = f"""{_FIND}\
exec "$folder/nixw" --exec sh -c '[ -x "$0" ] || exit {_NO_PROGRAM}; exec "$0" "$@"' "$@"
"""
_DAEMON: Final = f"""#!/bin/sh
# Nix calls it on the other side of a copy.
{_PATH}
exec "${{0%/*}}/nixw" --exec nix-daemon "$@"
"""
_UNPACK: Final = f"""
set -eu
[ "$(uname -m)" = "$2" ] || {{ uname -m; exit {_OTHER_MACHINE}; }}
umask 022
mkdir -p {_FOLDER}
made=$(mktemp -d {_FOLDER}/.new.XXXXXX)
trap 'rm -rf "$made"' EXIT
chmod 755 "$made"
base64 -d | gzip -d >"$made/archive"
# The name begins the hash of it: of a connection that was lost there may be a part, which tar would take for all.
case $(sha256sum <"$made/archive") in "$1"*) ;; *) echo 'they arrived in part' >&2; exit 1 ;; esac
tar -x -C "$made" -f "$made/archive"
rm "$made/archive"
# Another command may have brought them meanwhile, and be running what is there.
[ -x "{_FOLDER}/$1/nixw" ] || rm -rf "{_FOLDER}/$1"
mv -T "$made" "{_FOLDER}/$1" 2>/dev/null || [ -x "{_FOLDER}/$1/nixw" ]
"""


@dataclass(frozen=True, kw_only=True)
class Server:
    """Server of a target, with Nix and the program of this Estiba.

    Attributes:
        connection: Way to it.
        config: Configuration from the environment.
        runner: Runner of Nix.
        sleep: Sleeps for a number of seconds before another attempt.
    """

    connection: Connection
    config: Config
    runner: Runner = run
    sleep: Callable[[float], None] = time.sleep

    def run(
        self, *words: str, stdin: str = "", on_line: Callable[[str], None] | None = None, fresh: bool = False
    ) -> Completed:
        """Run the server's program, which is brought there first if it is that of another Estiba.

        Args:
            words: Its arguments, see `estiba.deploy.server.command`.
            stdin: Text for standard input.
            on_line: Called with each line of standard error.
            fresh: Whether a server without Nix gets it too.

        Raises:
            ConnectionLostError: ssh failed.
            DeployError: Nothing was deployed there yet, and `fresh` is not set.
            TargetError: The server cannot run it.
        """
        arguments = (_RUN, self._key, self._file, *words)
        done = self.connection.run(*arguments, stdin=stdin, on_line=on_line)
        if done.code in {_NO_NIX, _NO_PROGRAM}:
            self._bring_program(done.code, on_line, fresh=fresh)
            done = self.connection.run(*arguments, stdin=stdin, on_line=on_line)
        if done.code:
            msg = f"{self.connection.host}: the program there exited with {done.code}\n{done.tail}".rstrip()
            raise TargetError(msg, hint="invoke server.prepare shows what the server lacks")
        return done

    def argv(self, *words: str, terminal: bool) -> list[str]:
        """Return the command that runs the server's program, as `run` has brought it."""
        return self.connection.argv(_RUN, self._key, self._file, *words, terminal=terminal)

    def copy(self, paths: Sequence[Path], *, on_status: Callable[[str], None]) -> None:
        """Copy store paths with their closures to the server, as far as they are missing there.

        Args:
            paths: Store paths.
            on_status: Called with lines of progress.

        Raises:
            TargetError: The server cannot be reached, or does not take them.
        """
        # A server that was never reached is not waited for: its name or the key may be wrong.
        self._steadily(lambda: self._bring_nix(on_status), tries=2)
        self._copy([*paths, self._program], on_status)
        self._steadily(self._keep)

    def _bring_program(self, code: int, on_status: Callable[[str], None] | None, *, fresh: bool) -> None:
        if code == _NO_NIX and not fresh:
            other = self.connection.run(f"ls -d {_FOLDER}/*/nixw 2>/dev/null || true")
            if not other.stdout.strip():
                msg = f"nothing was deployed to {self.connection.host} yet"
                raise DeployError(msg, hint="invoke deploy, or invoke server.prepare to look at it first")
        self.copy([], on_status=on_status or (lambda _: None))

    def _bring_nix(self, on_status: Callable[[str], None]) -> None:
        done = self.connection.run(_ENTER, self._key, "true", on_line=on_status)
        if done.code == _NO_NIX:
            self._send_files()
            done = self.connection.run(_ENTER, self._key, "true", on_line=on_status)
        if done.code:
            msg = f"{self.connection.host} gets no Nix: {done.tail or f'exit code {done.code}'}"
            raise TargetError(msg, hint=f"what nixw needs is Debian or Ubuntu, or Nix 2.18 on {self.connection.host}")

    def _send_files(self) -> None:
        machine = platform.machine()
        done = self.connection.run(_UNPACK, self._key, machine, stdin=self._files())
        if done.code == _OTHER_MACHINE:
            msg = f"{self.connection.host} is of kind {done.stdout.strip()}, and what is built here is for {machine}"
            raise TargetError(msg, hint="deploy from a machine of the same kind")
        if done.code:
            msg = f"{self.connection.host} takes no files: {done.tail}"
            raise TargetError(msg, hint="look at the space and the owner of its home folder")

    def _copy(self, paths: Sequence[Path], on_status: Callable[[str], None]) -> None:
        program = f"{_FOLDER}/{self._key}/nix-daemon"
        # Compressed by ssh, as Nix has nothing else for a copy to another machine's store.
        store = f"ssh-ng://{self.connection.host}?compress=true&remote-program={program}"
        argv = ["nix", "copy", "--no-check-sigs", "--to", store, *map(str, paths)]
        env = self.config.environment(NIX_SSHOPTS=shlex.join(self.connection.options))
        for attempt in range(1, _TRIES + 1):
            try:
                self.runner(argv, env=env, on_line=on_status)
            except CommandError as error:
                if "signature" in error.tail:
                    msg = f"{self.connection.host} takes no store paths of this user: {error.tail}"
                    hint = "name the user in trusted-users of /etc/nix/nix.conf there"
                    raise TargetError(msg, hint=hint) from error
                if attempt == _TRIES:
                    msg = f"nothing can be copied to {self.connection.host}: {error.tail}"
                    raise TargetError(msg, hint="run the command again; what has arrived is not sent twice") from error
                self.sleep(_PAUSE * attempt)
            else:
                return

    def _steadily(self, step: Callable[[], None], *, tries: int = _TRIES) -> None:
        """Do a step that can be repeated, again where the connection was lost."""
        for attempt in range(1, tries):
            try:
                step()
            except ConnectionLostError:
                self.sleep(_PAUSE * attempt)
            else:
                return
        step()

    def _keep(self) -> None:
        """Keep the server's program from garbage collection there."""
        link = f"{_FOLDER}/program"
        words = ("nix-store", "--realise", str(self._program), "--add-root", link)
        self.connection.run(_ENTER, self._key, *words)

    @property
    def _file(self) -> str:
        """The server's program in its store path."""
        return str(self._program / "bin" / self._program.name.partition("-")[2])

    @property
    def _library(self) -> Path:
        """Folder of Estiba's own files."""
        if not self.config.flake:
            where = "ESTIBA_FLAKE"
            raise ConfigError(where, ["it is not set"], hint="enter the development shell first: ./nixw develop")
        return Path(self.config.flake.removeprefix("path:"))

    @functools.cached_property
    def _key(self) -> str:
        """Name of the files of this Estiba that bring Nix, which follows from what is in them."""
        return Digest.of_bytes(self._archive()).hex[:16]

    def _files(self) -> str:
        return base64.b64encode(gzip.compress(self._archive(), mtime=0)).decode()

    def _archive(self) -> bytes:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for name in _PARTS:
                for file in sorted([self._library / name, *(self._library / name).glob("*")]):
                    if file.is_file():
                        relative, mode = str(file.relative_to(self._library)), file.stat().st_mode
                        _add(archive, relative, file.read_bytes(), is_program=bool(mode & 0o100))
            _add(archive, "nix-daemon", _DAEMON.encode(), is_program=True)
        return packed.getvalue()

    @functools.cached_property
    def _program(self) -> Path:
        """Store path of the server's program, which is built once."""
        is_fixed = self.config.flake.startswith("path:/nix/store/")
        link = self.config.cache_dir / f"server-{Digest.of_bytes(self.config.flake.encode()).hex[:16]}"
        if is_fixed and link.is_symlink() and nix.locate(link, self.config.store).exists():
            return link.readlink()
        self._library  # noqa: B018 - for its error
        return nix.build(f"{self.config.flake}#server", out_link=link, sandbox=self.config.sandbox, runner=self.runner)


def _add(archive: tarfile.TarFile, name: str, content: bytes, *, is_program: bool) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    entry.mode = 0o755 if is_program else 0o644
    archive.addfile(entry, io.BytesIO(content))
