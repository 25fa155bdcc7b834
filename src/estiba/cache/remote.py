"""One function per Nix command that speaks with a binary cache: argv in, parsed value out."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from estiba.cache.address import Address
    from estiba.process import Runner

_VERDICT: Final = re.compile(r"path '(?P<path>[^']+)' (?P<what>is untrusted|was modified!)")
_NOISE: Final = re.compile(r"checking '|path '|\d+ paths? ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A store path, in this machine's store or in a cache.

    Attributes:
        path: The store path.
        nar_hash: What its contents hash to, in Nix's own notation.
        nar_size: Bytes of the contents.
        signatures: `name:base64`.
        is_content_addressed: Whether its path vouches for its contents, so that it needs no signature.
        url: The archive, relative to the cache; empty in a store.
        file_hash: Of the compressed archive, or empty.
        file_size: Bytes of the compressed archive.
    """

    path: str
    nar_hash: str
    nar_size: int
    signatures: tuple[str, ...] = ()
    is_content_addressed: bool = False
    url: str = ""
    file_hash: str = ""
    file_size: int = 0

    @property
    def hash_part(self) -> str:
        """The name of its narinfo in a cache."""
        return self.path.removeprefix("/nix/store/").partition("-")[0]

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the keys that signed it."""
        return tuple(sorted({signature.partition(":")[0] for signature in self.signatures}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a check of paths found: those without a good signature, those with other contents, and other complaints."""

    untrusted: frozenset[str]
    modified: frozenset[str]
    complaints: tuple[str, ...]


def closure(roots: Sequence[str], *, runner: Runner = run) -> list[Entry]:
    """Return store paths and all that they refer to, from this machine's store.

    Raises:
        CommandError: One of them is not in the store.
    """
    return _entries(runner(["nix", "path-info", "--json", "--recursive", *roots]).stdout)


def query(address: Address, paths: Sequence[str], *, runner: Runner = run) -> list[Entry]:
    """Return those of some store paths that a cache has, asking it anew.

    Raises:
        CommandError: The cache cannot be reached.
    """
    argv = ["nix", "path-info", "--json", "--refresh", "--store", address.url, "--stdin"]
    return _entries(runner(argv, stdin="\n".join(paths)).stdout)


def query_all(address: Address, *, runner: Runner = run) -> list[Entry]:
    """Return all store paths of a cache in a folder; no server lists its own.

    Raises:
        CommandError: It cannot be read.
    """
    return _entries(runner(["nix", "path-info", "--json", "--store", address.url, "--all"]).stdout)


def copy(
    address: Address,
    roots: Sequence[str],
    *,
    key: Path,
    on_line: Callable[[str], None] | None = None,
    runner: Runner = run,
) -> None:
    """Copy store paths and all that they refer to into a cache, as signed zstd archives, references first.

    Raises:
        CommandError: The cache refused, or went away for longer than Nix retries.
    """
    target = address.store(**{"compression": "zstd", "secret-key": str(key)})
    argv = ["nix", "copy", "--to", target, "--log-format", "internal-json", "--option", "download-attempts", "1"]
    runner([*argv, "--stdin"], stdin="\n".join(roots), on_line=on_line)


def sign(address: Address, paths: Sequence[str], *, key: Path, runner: Runner = run) -> None:
    """Add signatures to store paths that a cache has.

    Raises:
        CommandError: The cache refused.
    """
    argv = ["nix", "store", "sign", "--store", address.url, "--key-file", str(key), "--stdin"]
    runner(argv, stdin="\n".join(paths))


def verify(
    address: Address, paths: Sequence[str], *, public_key: str = "", contents: bool = False, runner: Runner = run
) -> Verdict:
    """Check the signatures, and on request the contents, of store paths in a cache.

    Args:
        address: The cache.
        paths: Store paths that it has.
        public_key: The only key to trust, instead of those that this machine's Nix trusts.
        contents: Read all archives too.
        runner: Runs the command.
    """
    if not paths:
        return Verdict(untrusted=frozenset(), modified=frozenset(), complaints=())
    argv = ["nix", "store", "verify", "--store", address.url, "--sigs-needed", "1", "--stdin"]
    argv += [] if contents else ["--no-contents"]
    argv += ["--option", "trusted-public-keys", public_key] if public_key else []
    lines: list[str] = []
    done = runner(argv, stdin="\n".join(paths), check=False, on_line=lines.append)
    found = [match for line in lines if (match := _VERDICT.match(line))]
    others = [line.strip() for line in lines if line.strip() and not _NOISE.match(line)]
    return Verdict(
        untrusted=frozenset(match["path"] for match in found if match["what"] == "is untrusted"),
        modified=frozenset(match["path"] for match in found if match["what"] != "is untrusted"),
        complaints=tuple(others) if done.code and (others or not found) else (),
    )


def probe(address: Address, *, runner: Runner = run) -> str:
    """Return why a cache does not answer, or an empty string."""
    argv = ["nix", "store", "info", "--refresh", "--store", address.url]
    limits = {"download-attempts": "1", "connect-timeout": "5", "stalled-download-timeout": "5"}
    quick = [word for name, value in limits.items() for word in ("--option", name, value)]
    done = runner([*argv, *quick], check=False)
    return "" if done.code == 0 else done.tail.strip().split("\n")[-1].removeprefix("error: ")


def is_trusted_user(*, runner: Runner = run) -> bool:
    """Return whether this machine's Nix lets this user choose caches; a daemon may not."""
    done = runner(["nix", "store", "info", "--json"], check=False)
    trusted = json.loads(done.stdout).get("trusted") if done.code == 0 else None
    return trusted is None or bool(trusted)


def inputs(path: str, *, runner: Runner = run) -> list[str]:
    """Return what a store path was built from, down to the locked files, without derivations.

    Raises:
        CommandError: It was not built by this machine's Nix.
    """
    derivation = runner(["nix-store", "--query", "--deriver", path]).stdout.strip()
    argv = ["nix-store", "--query", "--requisites", "--include-outputs", derivation]
    return sorted(found for found in runner(argv).stdout.split() if not found.endswith(".drv"))


def _entries(text: str) -> list[Entry]:
    """Read what `nix path-info --json` prints: a list up to 2.18, later an object with null for what is not there."""
    shown: Any = json.loads(text)
    listed = shown if isinstance(shown, list) else [{"path": path, **(info or {})} for path, info in shown.items()]
    return sorted((_entry(info) for info in listed if info.get("narHash")), key=lambda entry: entry.path)


def _entry(info: dict[str, Any]) -> Entry:
    return Entry(
        path=info["path"],
        nar_hash=info["narHash"],
        nar_size=info["narSize"],
        signatures=tuple(info.get("signatures") or ()),
        is_content_addressed=bool(info.get("ca")),
        url=info.get("url") or "",
        file_hash=info.get("downloadHash") or "",
        file_size=info.get("downloadSize") or 0,
    )
