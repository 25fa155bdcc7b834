"""Nix commands for binary caches: one function each, which returns the parsed output."""

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
class PathInfo:
    """Store path with its metadata in a store or binary cache, as `nix path-info --json` shows it.

    Attributes:
        path: Store path.
        nar_hash: Hash of the NAR serialisation, in the notation of the Nix version.
        nar_size: Size of the NAR serialisation in bytes.
        signatures: Signatures, as `name:base64`.
        is_content_addressed: Whether the path is derived from its contents, so that it needs no signature.
        url: URL of the archive relative to the cache; empty in a store.
        file_hash: Hash of the compressed archive, or an empty string.
        file_size: Size of the compressed archive in bytes, or 0.
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
        """Hash part of the store path, the name of its narinfo file."""
        return self.path.removeprefix("/nix/store/").partition("-")[0]

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the keys in the signatures."""
        return tuple(sorted({signature.partition(":")[0] for signature in self.signatures}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Result of `nix store verify`.

    Attributes:
        untrusted: Store paths without a valid signature of a trusted key.
        modified: Store paths whose contents have another hash.
        complaints: Other messages, if the command failed.
    """

    untrusted: frozenset[str]
    modified: frozenset[str]
    complaints: tuple[str, ...]


def closure(roots: Sequence[str], *, runner: Runner = run) -> list[PathInfo]:
    """Return the closure of store paths in this machine's store.

    Raises:
        CommandError: One of them is not in the store.
    """
    return _parse_infos(runner(["nix", "path-info", "--json", "--recursive", *roots]).stdout)


def query(address: Address, paths: Sequence[str], *, runner: Runner = run) -> list[PathInfo]:
    """Return the store paths that a cache has, without Nix's cached answers of earlier queries.

    Raises:
        CommandError: The cache cannot be reached.
    """
    argv = ["nix", "path-info", "--json", "--refresh", "--store", address.url, "--stdin"]
    return _parse_infos(runner(argv, stdin="\n".join(paths)).stdout)


def query_all(address: Address, *, runner: Runner = run) -> list[PathInfo]:
    """Return all store paths of a cache in a folder; servers cannot list theirs.

    Raises:
        CommandError: The cache cannot be read.
    """
    return _parse_infos(runner(["nix", "path-info", "--json", "--store", address.url, "--all"]).stdout)


def copy(
    address: Address,
    roots: Sequence[str],
    *,
    key: Path | None,
    on_line: Callable[[str], None] | None = None,
    runner: Runner = run,
) -> None:
    """Copy the closure of store paths into a cache, as zstd archives, references first, and signed if there is a key.

    Raises:
        CommandError: The cache refused, or a request failed.
    """
    target = address.store(compression="zstd", **({"secret-key": str(key)} if key else {}))
    # One attempt: `push` repeats the command, since Nix's own retries fail.
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
    """Verify the signatures, and optionally the contents, of store paths in a cache.

    Args:
        address: Address of the cache.
        paths: Store paths in the cache.
        public_key: The only trusted key; by default the keys in this machine's nix.conf.
        contents: Read all archives and verify their hashes.
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
    """Tell whether Nix lets this user choose substituters (`trusted-users` of a daemon)."""
    done = runner(["nix", "store", "info", "--json"], check=False)
    trusted = json.loads(done.stdout).get("trusted") if done.code == 0 else None
    return trusted is None or bool(trusted)


def derivations(path: str, *, runner: Runner = run) -> list[str]:
    """Return the derivations of a store path's build: its own, and those of all its inputs.

    Raises:
        CommandError: The deriver is unknown: the path was not built on this machine.
    """
    deriver = runner(["nix-store", "--query", "--deriver", path]).stdout.strip()
    found = runner(["nix-store", "--query", "--requisites", deriver]).stdout.split()
    return sorted(each for each in found if each.endswith(".drv"))


def absent_outputs(derivations: Sequence[str], *, runner: Runner = run) -> list[str]:
    """Return the outputs of derivations that this machine's store lacks: collected, or never needed here."""
    paths = runner(["nix-store", "--query", "--outputs", *derivations]).stdout.split()
    return runner(["nix-store", "--check-validity", "--print-invalid", *paths]).stdout.split()


def realise(derivations: Sequence[str], *, runner: Runner = run) -> None:
    """Build the outputs of derivations, or take them from a substituter.

    Raises:
        CommandError: One cannot be built, as where a locked file is not in the store.
    """
    runner(["nix", "build", "--no-link", "--stdin"], stdin="\n".join(f"{each}^*" for each in derivations))


def inputs(derivations: Sequence[str], *, runner: Runner = run) -> list[str]:
    """Return what the store has of a build closure, which includes the locked artifacts, without derivations."""
    argv = ["nix-store", "--query", "--requisites", "--include-outputs", *derivations]
    return sorted(found for found in runner(argv).stdout.split() if not found.endswith(".drv"))


def _parse_infos(text: str) -> list[PathInfo]:
    """Parse the output of `nix path-info --json`: a list up to Nix 2.18, then an object with null for missing paths."""
    shown: Any = json.loads(text)
    listed = shown if isinstance(shown, list) else [{"path": path, **(info or {})} for path, info in shown.items()]
    return sorted((_parse_info(info) for info in listed if info.get("narHash")), key=lambda entry: entry.path)


def _parse_info(info: dict[str, Any]) -> PathInfo:
    return PathInfo(
        path=info["path"],
        nar_hash=info["narHash"],
        nar_size=info["narSize"],
        signatures=tuple(info.get("signatures") or ()),
        is_content_addressed=bool(info.get("ca")),
        url=info.get("url") or "",
        file_hash=info.get("downloadHash") or "",
        file_size=info.get("downloadSize") or 0,
    )
