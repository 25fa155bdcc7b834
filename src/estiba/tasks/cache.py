"""`invoke cache.*`: share builds through a binary cache."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from estiba import config
from estiba.build.oci_image import RESULT
from estiba.cache import contents, keys, remote, service, session, settings
from estiba.cache.address import Address
from estiba.cache.keys import PublicKey
from estiba.errors import CacheError
from estiba.tasks.console import console, leave, task

if TYPE_CHECKING:
    from invoke import Context

    from estiba.cache.contents import Contents
    from estiba.cache.push import PushPlan
    from estiba.cache.session import SessionPlan
    from estiba.cache.settings import Settings

_URL = "Folder or HTTP URL of the cache."
_SERVICE = "URL of a cache of the cache service."
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
    wanted = session.choose(Address.parse(url), [path or _image(project)], key=file, with_inputs=inputs)
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
    roots = [_image(project or ".")] if project or not address.folder else []
    trusted = str(PublicKey(public_key)) if public_key else ""
    found = contents.read(address, roots, public_key=trusted, thorough=verify)
    if json:
        console.json(found.to_dict())
    else:
        _show_info(found)
    leave(1 if found.is_damaged or (trusted and found.untrusted) else 0)


@task(
    positional=["url", "name"],
    help={
        "url": _SERVICE,
        "name": "Name of the pin, such as `release-1.4`.",
        "path": "Store path to pin; by default the last build's image.",
        "keep": "How many paths of this name are kept, the newest ones.",
        "project": _PROJECT,
        "json": _JSON,
    },
)
def pin(
    _: Context, url: str, name: str, *, path: str = "", keep: int = 5, project: str = ".", json: bool = False
) -> None:
    """Keep a store path of a cache service, with its closure, under a name."""
    wanted = path or _image(project)
    kept = service.connect(Address.parse(url)).pin(name, wanted, keep=keep)
    if json:
        console.json({"name": name, "paths": kept})
    else:
        console.say(f"{name}: {wanted}, and {len(kept) - 1} older paths are kept")


@task(positional=["url", "name"], help={"url": _SERVICE, "name": "Name of the pin.", "json": _JSON})
def unpin(_: Context, url: str, name: str, *, json: bool = False) -> None:
    """Remove a pin of a cache service.

    What nothing else needs goes with later collections.
    """
    count = service.connect(Address.parse(url)).unpin(name)
    if json:
        console.json({"name": name, "removed": count})
    else:
        console.say(f"{name}: {count} paths are kept by it no more")


@task(
    positional=["url"],
    help={
        "url": _SERVICE,
        "dry-run": "Show what would be deleted, and delete nothing.",
        "why": "Store path of which to say why it is kept, instead of collecting.",
        "json": _JSON,
    },
)
def gc(_: Context, url: str, *, dry_run: bool = False, why: str = "", json: bool = False) -> None:
    """Collect the paths of a cache service that no pin, lease or recent push needs.

    They are marked first, and deleted by a collection a day later; the service collects each hour by itself.
    """
    client = service.connect(Address.parse(url))
    if why:
        reason = client.explain(why)
        console.json({"path": why, "reason": reason}) if json else console.result(reason)
        return
    found = client.collect(dry_run=dry_run)
    if json:
        console.json(found)
        return
    console.table(("deleted",), [(name,) for name in found["deleted"]])
    counted = f"{found['kept']} paths are needed, {found['marked']} newly marked, {len(found['deleted'])} deleted"
    console.say(
        f"{'would be: ' if dry_run else ''}{counted}, {found['files']} NARs deleted ({found['size'] / 1e6:.1f} MB)"
    )


@task(positional=["url"], help={"url": _SERVICE, "json": _JSON})
def stats(_: Context, url: str, *, json: bool = False) -> None:
    """Show how much a cache service has, and its pins."""
    client = service.connect(Address.parse(url))
    figures, pins = client.read_figures(), client.read_pins()
    if json:
        console.json({**figures, "pinned": pins})
        return
    sizes = f"{figures['nar_size'] / 1e6:.1f} MB, {figures['file_size'] / 1e6:.1f} MB compressed"
    console.say(f"{figures['paths']} paths, {sizes}; nothing needs {figures['marked']} of them")
    console.table(("pin", "path", "since"), [(one["name"], one["path"], one["created_at"][:10]) for one in pins])


@task(
    positional=["url", "name"],
    help={
        "url": _SERVICE,
        "name": "Whose the token is, or what for.",
        "scopes": "What it allows, between commas: read, push, pin, delete, admin.",
        "days": "Days until it expires; 0 for never.",
        "json": _JSON,
    },
)
def token(_: Context, url: str, name: str, *, scopes: str = "read", days: int = 90, json: bool = False) -> None:
    """Make a token for a cache of a cache service, and print its secret, once.

    Needs a token with the scope `admin`.
    """
    wanted = [scope.strip() for scope in scopes.split(",") if scope.strip()]
    secret = service.connect(Address.parse(url)).create_token(name, wanted, days=days)
    if json:
        console.json({"name": name, "token": secret})
        return
    console.say("nobody can read it again; it is the password of a line in a netrc file")
    console.result(secret)


def _image(project: str) -> str:
    """Return the store path of the last build's image."""
    # Read and not resolved: in a user's own store the path does not exist at this place of the file system.
    link = Path(project) / RESULT
    if not link.is_symlink():
        message = f"no image has been built in {Path(project).resolve()}"
        raise CacheError(message, hint="invoke build")
    return str(link.readlink())


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
