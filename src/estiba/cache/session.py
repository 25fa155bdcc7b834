"""Push of store paths to a cache service: compressed here, sent at the same time, and published together."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from estiba.cache import keys, remote
from estiba.cache import push as pushing
from estiba.cache import service as services
from estiba.cache.address import Address
from estiba.cache.copy_log import CopyLog
from estiba.errors import CacheError, CommandError
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from estiba.cache.keys import SigningKey
    from estiba.cache.push import PushPlan
    from estiba.cache.remote import PathInfo
    from estiba.cache.service import Service
    from estiba.process import Runner

_JOBS: Final = 8
"""Number of files that are sent at the same time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPlan:
    """Plan of a push to a cache service, which keeps what it has of the paths meanwhile.

    Attributes:
        service: Client of the cache.
        session: ID of the session.
        key: Key that signs besides the cache's own, or None.
        wanted: Store paths of the closures that the cache lacks.
        others: Store paths of the closures that it has.
        public_key: Key that the cache signs with, as `name:base64`.
    """

    service: Service
    session: str
    key: SigningKey | None
    wanted: tuple[PathInfo, ...]
    others: tuple[PathInfo, ...]
    public_key: str

    @property
    def address(self) -> Address:
        """Address of the cache."""
        return self.service.address

    @property
    def present(self) -> int:
        """Number of store paths that the cache has already."""
        return len(self.others)

    @property
    def size(self) -> int:
        """Size of the store paths to send in bytes, uncompressed (NAR size)."""
        return sum(entry.nar_size for entry in self.wanted)

    def to_dict(self) -> dict[str, Any]:
        """Return the plan in the form of `invoke cache.push --json`; the service itself repairs and signs."""
        return {
            "paths": [entry.path for entry in self.wanted],
            "present": self.present,
            "public_key": self.public_key,
            "repaired": [],
            "signed": [],
            "size": self.size,
            "url": self.address.url,
        }


def choose(
    address: Address, roots: Sequence[str], *, key: Path, with_inputs: bool = False, runner: Runner = run
) -> PushPlan | SessionPlan:
    """Return the plan of a push to any kind of cache.

    Args:
        address: Address of the cache.
        roots: Store paths to push, with their closures.
        key: File of the signing key. A cache service signs itself, and needs none; if the file exists, both sign.
        with_inputs: Also push the build closures.
        runner: Runs Nix.

    Raises:
        CacheError: As for `push.plan`; or a cache that is no service needs the key.
    """
    service = services.find(address, runner=runner)
    if service is None:
        return pushing.plan(address, roots, key=keys.load(key), with_inputs=with_inputs, runner=runner)
    local = pushing.read_closure(roots, inputs_for=address if with_inputs else None, runner=runner)
    return plan(service, local, key=keys.load(key) if key.exists() else None)


def execute(wanted: PushPlan | SessionPlan, *, advance: Callable[[int], None], runner: Runner = run) -> None:
    """Execute the plan of a push; see `push` here and there."""
    if isinstance(wanted, SessionPlan):
        push(wanted, advance=advance, runner=runner)
    else:
        pushing.push(wanted, advance=advance, runner=runner)


def plan(service: Service, local: Sequence[PathInfo], *, key: SigningKey | None = None) -> SessionPlan:
    """Begin a session, and return the plan of a push.

    Args:
        service: Client of the cache.
        local: Closure of what is pushed, in this machine's store.
        key: Key that signs besides the cache's own.

    Raises:
        CacheError: The service refuses, as where it has other contents for a path.
    """
    opened = service.begin({_base_name(entry): entry.nar_hash for entry in local})
    return SessionPlan(
        service=service,
        session=opened.number,
        key=key,
        wanted=tuple(entry for entry in local if _base_name(entry) in opened.missing),
        others=tuple(entry for entry in local if _base_name(entry) not in opened.missing),
        public_key=next(iter(opened.public_keys), ""),
    )


def push(wanted: SessionPlan, *, advance: Callable[[int], None], runner: Runner = run) -> None:
    """Execute a plan; after an interruption the next push sends only what has not arrived.

    Args:
        wanted: Result of `plan`.
        advance: Called in other threads with the NAR size of each path that was sent, in bytes.
        runner: Runs Nix.

    Raises:
        CacheError: Nix cannot read a path, or the service refuses.
    """
    if not wanted.wanted:
        return
    with tempfile.TemporaryDirectory(prefix="estiba-cache-") as name:
        narinfos = _send_all(wanted, Path(name), advance, runner)
    wanted.service.publish(wanted.session, narinfos)


def _send_all(wanted: SessionPlan, folder: Path, advance: Callable[[int], None], runner: Runner) -> list[str]:
    """Have Nix fill a cache in a folder, send each archive as soon as it is there, and return the narinfos."""
    _write_stubs(folder, wanted.others)
    entries = {entry.path: entry for entry in wanted.wanted}
    sent: dict[str, Future[str]] = {}

    def send(entry: PathInfo) -> str:
        text = (folder / f"{entry.hash_part}.narinfo").read_text(encoding="utf-8")
        url = next(line.removeprefix("URL: ") for line in text.splitlines() if line.startswith("URL: "))
        wanted.service.send(url, folder / url)
        (folder / url).unlink()
        advance(entry.nar_size)
        return text

    with ThreadPoolExecutor(_JOBS) as pool:

        def on_path(path: str) -> None:
            # The copy of a path that fails ends, too, without a record.
            if path in entries and path not in sent and (folder / f"{entries[path].hash_part}.narinfo").exists():
                sent[path] = pool.submit(send, entries[path])

        _copy(wanted, folder, on_path, runner)
        for path in entries:
            on_path(path)
        return [sent[path].result() for path in entries]


def _copy(wanted: SessionPlan, folder: Path, on_path: Callable[[str], None], runner: Runner) -> None:
    log = CopyLog(on_path)
    paths = [entry.path for entry in wanted.wanted]
    try:
        remote.copy(
            Address.parse(str(folder)), paths, key=wanted.key.file if wanted.key else None, on_line=log, runner=runner
        )
    except CommandError as error:
        message = f"cannot pack what is pushed to {wanted.address}: {(log.failure() or error.tail).strip()}"
        raise CacheError(message) from error


def _write_stubs(folder: Path, others: Sequence[PathInfo]) -> None:
    """Write records of the paths that are not sent, whose archives nobody reads: Nix copies no path without them."""
    (folder / "nix-cache-info").write_text("StoreDir: /nix/store\n", encoding="utf-8")
    for entry in others:
        lines = {
            "StorePath": entry.path,
            "URL": "nar/none",
            "Compression": "none",
            "NarHash": entry.nar_hash,
            "NarSize": str(entry.nar_size),
        }
        text = "".join(f"{name}: {value}\n" for name, value in lines.items())
        (folder / f"{entry.hash_part}.narinfo").write_text(text, encoding="utf-8")


def _base_name(entry: PathInfo) -> str:
    return services.base_name(entry.path)
