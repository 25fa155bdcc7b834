"""Tasks of `invoke cache.*` that ask a cache service: pins, deletions, collections, checks, figures, tokens."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from estiba.build.oci_image import RESULT
from estiba.cache import service
from estiba.cache.address import Address
from estiba.errors import CacheError
from estiba.tasks.console import console, leave, task

if TYPE_CHECKING:
    from invoke import Context

_SERVICE = "URL of a cache of the cache service."
_JSON = "Print the result as one JSON object."
_PROJECT = "Folder of the service."
_READ = "Read all NARs and check their hashes, not sizes alone."


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
    wanted = path or find_image(project)
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
    positional=["url", "path"],
    help={
        "url": _SERVICE,
        "path": "Store path to delete.",
        "dry-run": "Say whether it would be deleted, and delete nothing.",
        "json": _JSON,
    },
)
def delete(_: Context, url: str, path: str, *, dry_run: bool = False, json: bool = False) -> None:
    """Delete a store path of a cache service, unless something needs it.

    A pin, another path and a push of the last hour do. Its NAR goes with the first collection six hours later.
    """
    found = service.connect(Address.parse(url)).delete(path, dry_run=dry_run)
    if json:
        console.json(found)
        return
    console.say(f"{found['path']}: {'would be deleted' if dry_run else 'deleted'}, {found['size'] / 1e6:.1f} MB")


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


@task(positional=["url"], help={"url": _SERVICE, "read": _READ, "json": _JSON})
def fsck(_: Context, url: str, *, read: bool = False, json: bool = False) -> None:
    """Compare the files of a cache service with its database, and change nothing.

    Exits with 1 if NARs are lost or damaged. Needs a token with the scope `admin`.
    """
    _check(url, read=read, repair=False, json=json)


@task(positional=["url"], help={"url": _SERVICE, "read": _READ, "json": _JSON})
def repair(_: Context, url: str, *, read: bool = False, json: bool = False) -> None:
    """Mend what `cache.fsck` finds, as far as the cache service can.

    Published files are written again or removed. A NAR with another hash is removed, so that the next push brings it.
    Exits with 1 if NARs are lost or damaged. Needs a token with the scope `admin`.
    """
    _check(url, read=read, repair=True, json=json)


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


def _check(url: str, *, read: bool, repair: bool, json: bool) -> None:
    """Check, tell what was found, and exit with 1 if NARs have to come again."""
    found = service.connect(Address.parse(url)).check(read=read, repair=repair)
    if json:
        console.json(found)
    else:
        console.table(("damaged", "reason"), [(one["path"], one["reason"]) for one in found["damaged"]])
        written, removed = f"published files of {found['written']} paths", f"{found['removed']} files of no path"
        done = f"{written} written, {removed} removed" if repair else f"{written} are wrong, {removed}"
        console.say(f"{len(found['damaged'])} paths are damaged; {done}")
        if found["damaged"]:
            console.say("push the damaged paths again, which replaces their NARs")
    leave(1 if found["damaged"] else 0)


def find_image(project: str) -> str:
    """Return the store path of the last build's image."""
    # Read and not resolved: in a user's own store the path does not exist at this place of the file system.
    link = Path(project) / RESULT
    if not link.is_symlink():
        message = f"no image has been built in {Path(project).resolve()}"
        raise CacheError(message, hint="invoke build")
    return str(link.readlink())
