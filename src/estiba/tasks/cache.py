"""`invoke cache.*`: share builds through a binary cache."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from estiba import config
from estiba.cache import contents, keys, remote, session, settings
from estiba.cache.address import Address
from estiba.cache.keys import PublicKey
from estiba.errors import CacheError
from estiba.tasks.cache_service import delete, find_image, fsck, gc, pin, repair, stats, token, unpin
from estiba.tasks.console import console, leave, task

if TYPE_CHECKING:
    from invoke import Context

    from estiba.cache.contents import Contents
    from estiba.cache.push import PushPlan
    from estiba.cache.session import SessionPlan
    from estiba.cache.settings import Settings

__all__ = [
    "delete",
    "fsck",
    "gc",
    "info",
    "keygen",
    "pin",
    "push",
    "repair",
    "stats",
    "token",
    "unpin",
    "use",
]

_URL = "Folder or HTTP URL of the cache."
_JSON = "Print the result as one JSON object."
_PROJECT = "Folder of the service."
_UNUSABLE = re.compile(r"[^A-Za-z0-9._-]+")


@task(
    help={
        "name": "Name of the key in signatures, unique among all keys; by default the folder's name with `-1`.",
        "file": "File to write the secret key to; by default the one that `cache.push` reads.",
        "project": _PROJECT,
        "json": _JSON,
    },
)
def keygen(_: Context, *, name: str = "", file: str = "", project: str = ".", json: bool = False) -> None:
    """Generate a key pair for signing what is pushed.

    Prints the public key, which `cache.use` needs.
    """
    chosen = name or f"{_UNUSABLE.sub('-', Path(project).resolve().name).strip('-.') or 'estiba'}-1"
    key = keys.generate(chosen, Path(file) if file else config.load().cache_key)
    if json:
        console.json({"file": str(key.file), "public_key": str(key.public)})
        return
    console.say(f"the secret key is in {key.file}; whoever has it can publish in your name")
    console.result(str(key.public))


@task(
    positional=["url"],
    help={
        "url": _URL,
        "key": "File with the secret key; by default $ESTIBA_CACHE_KEY, or the one that `cache.keygen` writes.",
        "path": "Store path to push; by default the last build's image.",
        "inputs": "Also push the inputs of the build, so that others can build changes without `invoke fetch`.",
        "dry-run": "Show what would be sent, and send nothing.",
        "project": _PROJECT,
        "json": _JSON,
    },
)
def push(
    _: Context,
    url: str,
    *,
    key: str = "",
    path: str = "",
    inputs: bool = False,
    dry_run: bool = False,
    project: str = ".",
    json: bool = False,
) -> None:
    """Push the closure of the image to a binary cache.

    Only paths that the cache lacks are sent.
    """
    # A key that is named has to be there, also where the service signs itself.
    file = keys.load(Path(key)).file if key else config.load().cache_key
    wanted = session.choose(Address.parse(url), [path or find_image(project)], key=file, with_inputs=inputs)
    if not dry_run:
        with console.progress(f"push to {wanted.address}", total=wanted.size, unit="bytes") as advance:
            session.execute(wanted, advance=advance)
    if json:
        console.json(wanted.to_dict())
    else:
        _show_push(wanted, "would send" if dry_run else "sent")


@task(
    positional=["url"],
    help={
        "url": _URL,
        "public-key": "Public key to trust, as NAME:BASE64, which `cache.keygen` prints.",
        "remove": "Remove the cache from nix.conf.",
        "print": "Print the lines for nix.conf instead of writing them, for a machine where root configures Nix.",
        "dry-run": "Show what would change, and change nothing.",
        "json": _JSON,
    },
)
def use(
    _: Context,
    url: str,
    *,
    public_key: str = "",
    remove: bool = False,
    print: bool = False,
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Add a binary cache to the user's nix.conf, as a substituter.

    Nix then downloads from it what it would otherwise build.
    """
    address, file = Address.parse(url), config.load().nix_conf
    present = settings.load(file)
    wanted = present.remove(address) if remove else present.add(address, _public_key(public_key))
    if print:
        console.result(wanted.block().rstrip("\n"))
        return
    _refuse_restricted()
    changed = wanted.render() != present.render() if dry_run else settings.save(file, wanted)
    if not remove and (reason := contents.find_absence(address)):
        console.warn(f"the cache at {address} is not there now: {reason}; builds go on without it")
    if json:
        console.json({"changed": changed, "file": str(file), "settings": _describe(wanted), "url": address.url})
    else:
        _show_use(file, wanted, changed=changed, dry_run=dry_run)


@task(
    positional=["url"],
    help={
        "url": _URL,
        "public-key": "Public key to check signatures with, instead of those that Nix trusts.",
        "verify": "Read all archives and check their hashes.",
        "project": "Folder of the service whose last image to look up; by default all of a cache that is a folder.",
        "json": _JSON,
    },
)
def info(
    _: Context, url: str, *, public_key: str = "", verify: bool = False, project: str = "", json: bool = False
) -> None:
    """List the paths of a binary cache with size and signatures, and report damage.

    Exits with 1 if paths are damaged, or have no signature by the given key.
    """
    address = Address.parse(url)
    roots = [find_image(project or ".")] if project or not address.folder else []
    trusted = str(PublicKey(public_key)) if public_key else ""
    found = contents.read(address, roots, public_key=trusted, thorough=verify)
    if json:
        console.json(found.to_dict())
    else:
        _show_info(found)
    leave(1 if found.is_damaged or (trusted and found.untrusted) else 0)


def _public_key(text: str) -> PublicKey:
    if not text:
        message = "no public key to trust is given"
        raise CacheError(message, hint="add --public-key NAME:BASE64, as `invoke cache.keygen` printed it")
    return PublicKey(text)


def _refuse_restricted() -> None:
    if not remote.is_trusted_user():
        message = "this machine's Nix allows only root to choose caches"
        raise CacheError(message, hint="add --print, and have root add the lines to /etc/nix/nix.conf")


def _describe(wanted: Settings) -> list[dict[str, str]]:
    return [{"public_key": str(key), "url": url} for url, key in wanted.caches]


def _show_push(wanted: PushPlan | SessionPlan, done: str) -> None:
    found = wanted.to_dict()
    if found["repaired"]:
        console.warn(f"{len(found['repaired'])} paths were damaged in the cache, and are sent again")
    if found["signed"]:
        console.say(f"{len(found['signed'])} paths that were there: signed")
    sizes = f"{wanted.size / 1e6:.1f} MB before compression"
    console.say(f"{done} {len(wanted.wanted)} paths ({sizes}), {wanted.present} were there")
    console.say(f"to take from it: invoke cache.use {wanted.address} --public-key {wanted.public_key}")
    console.result(wanted.address.url)


def _show_use(file: Path, wanted: Settings, *, changed: bool, dry_run: bool) -> None:
    verb = "would be changed" if dry_run else "changed"
    console.say(f"{file}: {verb if changed else 'nothing to change'}")
    console.table(("cache", "key"), wanted.caches)


def _show_info(found: Contents) -> None:
    rows = [
        (entry.path.partition("-")[2], entry.nar_size, entry.file_size, " ".join(entry.keys) or "none")
        for entry in found.entries
    ]
    console.table(("path", "bytes", "compressed", "signed by"), rows)
    total, sent = sum(entry.nar_size for entry in found.entries), sum(entry.file_size for entry in found.entries)
    console.say(f"{len(rows)} paths, {total / 1e6:.1f} MB, {sent / 1e6:.1f} MB compressed")
    for path in found.missing:
        console.warn(f"{path} is not in the cache")
    if found.untrusted:
        console.warn(f"{len(found.untrusted)} paths have no signature of a trusted key")
    for path, reason in found.damaged:
        console.fail(f"{path}: {reason}")
    for complaint in found.complaints:
        console.fail(complaint)
