"""Builder: a release for one machine: what is bound where in its root file system, and the programs to start it.

Nothing is copied that has a place in the store already; `host.json` says where everything is.
"""

import json
import mimetypes
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import attrs
import certificates
import namespace
import root
import services
import standard_library
from service_root import MEDIA_ROOT
from static_files import PLACE

MANIFEST = "host.json"
"""Everything that a deployment needs to know of a release."""

FORMAT = 1

_STARTER = (
    Path(__file__).with_name("start.py"),
    *(Path(str(module.__file__)) for module in (certificates, namespace, root)),
)
_NO_PLACE = {"media_root": "", "media_url": "", "static_root": "", "static_url": ""}
_OWN_PLACES = ("/opt/estiba", "/opt/venv", "/tmp", "/var/tmp")  # noqa: S108 - in the root of programs
"""Places below which, or on which, something is bound in every root."""

_TYPE = re.compile(r"^\s*([\w.+-]+/[\w.+-]+)\s+([^;]+);", re.MULTILINE)
_LATER = {"js": "text/javascript", "mjs": "text/javascript"}
"""Types that Python says since 3.12; what builds a release may be older than what runs it."""

_ABILITIES = {
    # What the starter can do: releases of before cannot hold sockets, and keep no certificates.
    "listener": True,
    # It switches users, which those of before do not: root must not run a program by one of them.
    "users": True,
    "front": True,
    # Its nginx has what the setting `published` needs.
    "published": True,
}

_PROBES = ("try_worker", "smoke")
"""Management commands that prove more than a page does, run after a switch where a service has them."""

_OF_THE_MACHINE = {"hosts": "/run/host/hosts", "resolv.conf": "/run/host/resolv.conf"}
"""Files of /etc that a machine answers for, and where it has to show them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How folders that are laid over one another become binds and links, by their paths in the root."""

    tree: Path
    binds: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)

    def add(self, sources: list[Path], place: str = "") -> None:
        """Lay folders over one another; where two have the same file, the later one wins."""
        for name in sorted({path.name for source in sources for path in source.iterdir()}):
            found = [source / name for source in sources if (source / name).exists() or (source / name).is_symlink()]
            folders = [path for path in found if path.is_dir() and not path.is_symlink()]
            here = f"{place}/{name}"
            if folders and folders[-1] == found[-1] and (len(folders) > 1 or self._has(here)):
                self.add(folders, here)
            elif found[-1].is_symlink():
                self.links[here] = str(found[-1].readlink())
            else:
                self.binds[here] = str(found[-1])

    def _has(self, place: str) -> bool:
        """Tell whether a folder has other things in it, which a bind over the whole of it would hide."""
        return (self.tree / place[1:]).is_dir() or any(one.startswith(f"{place}/") for one in _OWN_PLACES)


def make_etc(tree: Path, out: Path) -> Path:
    """Make an /etc of links into the tree's, but for what the machine answers for."""
    etc = out / "etc"
    etc.mkdir()
    for path in sorted((tree / "etc").iterdir()):
        if path.name not in _OF_THE_MACHINE:
            (etc / path.name).symlink_to(path)
    for name, target in _OF_THE_MACHINE.items():
        (etc / name).symlink_to(target)
    return etc


def plan_app(given: dict[str, Any], out: Path, media: str) -> dict[str, Any]:
    """Plan the root of the service's own programs, the same as the image's."""
    placeholder = out / "empty"
    folders = [media, *given["persist"]]
    for folder in folders:
        (placeholder / folder.lstrip("/")).mkdir(parents=True, exist_ok=True)
    tree = Path(given["tree"])
    plan = Plan(tree=tree)
    sources = [Path(source, "root") for source in (given["application"], given["static"]) if source]
    plan.add([placeholder, *sources])
    # Data is bound there, which begins with the service's own files and hides them from then on.
    for place in [one for one in plan.binds if any(f"{one}/".startswith(f"{folder}/") for folder in folders)]:
        del plan.binds[place]
    for place, source in standard_library.binds(tree, given["compiler"]).items():
        plan.binds[place] = str(source)
    plan.binds["/etc"] = str(make_etc(tree, out))
    plan.binds["/opt/estiba"] = f"{given['frame']}/root/opt/estiba"
    plan.binds["/opt/venv"] = f"{given['env']}/root/opt/venv"
    config = given["config"]
    return {
        "tree": given["tree"],
        "binds": plan.binds,
        "links": plan.links,
        "seeds": {
            folder: str(found[-1])
            for folder in folders
            if (found := [one for one in (source / folder.lstrip("/") for source in sources) if one.is_dir()])
        },
        "env": dict(word.split("=", 1) for word in config["Env"]),
        "cwd": config["WorkingDir"],
        "entrypoint": config["Entrypoint"],
    }


def add_starter(given: dict[str, Any], out: Path) -> None:
    """Add the program that starts all others."""
    folder = out / "bin"
    folder.mkdir()
    for module in _STARTER:
        shutil.copyfile(module, folder / module.name)
    text = Path(given["starter"]).read_text()
    names = {"program": str(folder / _STARTER[0].name), "python": given["python"], "shell": given["shell"]}
    for name, value in names.items():
        text = text.replace(f"@{name}@", value)
    (folder / "start").write_text(text)
    (folder / "start").chmod(0o755)


def write_proxy(given: dict[str, Any], place: dict[str, str], out: Path) -> None:
    """Write nginx's configuration: our text with the service's addresses in it."""
    types = list_types(Path(given["servers"]))
    lines = (f"    {kind} {' '.join(names)};" for kind, names in sorted(types.items()))
    # Of pages nginx says it by itself.
    texts = sorted(kind for kind in types if kind.startswith("text/") and kind != "text/html")
    text = Path(given["nginx"]).read_text().replace("@types@", "\n".join(lines)).replace("@texts@", " ".join(texts))
    for name in ("static", "media"):
        url = place[f"{name}_url"]
        # An address on another machine is not ours to serve, and the root of all addresses is the service's own.
        served = url.startswith("/") and len(url) > 1 and place[f"{name}_root"]
        text = text.replace(f"@{name}@", url if served else f"/.estiba-no-{name}/")
    (out / "nginx.conf").write_text(text)
    shutil.copyfile(given["front"], out / "front.conf")


def list_types(servers: Path) -> dict[str, list[str]]:
    """Return the ends of names by their media type.

    Python's own, without those of the machine, come before nginx's, which knows neither `.mjs` nor `.csv`.
    """
    known = {"ics": "text/calendar", "md": "text/markdown"}
    for found in _TYPE.finditer((servers / "etc/nginx/mime.types").read_text()):
        known |= dict.fromkeys(found[2].split(), found[1])
    known |= {end.lstrip("."): kind for end, kind in mimetypes.MimeTypes().types_map[True].items()}
    known |= _LATER
    ends: dict[str, list[str]] = {}
    for end, kind in sorted(known.items()):
        ends.setdefault(kind, []).append(end)
    return ends


def probes(application: Path) -> list[str]:
    """Return those of the known management commands that the service has."""
    return [name for name in _PROBES if any(application.rglob(f"management/commands/{name}.py"))]


def describe_servers(given: dict[str, Any]) -> dict[str, Any]:
    """Describe nginx, PostgreSQL and Redis, whose packages are in a tree of their own."""
    tree = Path(given["servers"])
    (postgresql,) = tree.glob("usr/lib/postgresql/*")
    return {
        "tree": given["servers"],
        "postgresql": postgresql.name,
        "settings": services.list_settings(tree),
        "versions": given["versions"],
        "digests": given["digests"],
    }


def main() -> None:
    """Build the derivation."""
    given = attrs.load()
    out = attrs.output(given)
    out.mkdir()
    place = _NO_PLACE
    if given["static"]:
        place = json.loads(Path(given["static"], PLACE).read_text())
    media = place["media_root"] or MEDIA_ROOT
    # Then files are not nginx' to serve, wherever STATIC_URL leads.
    if is_remote := bool(place.get("remote")):
        place = {**place, "static_root": ""}
    files = Path(given["static"] or "/", "root", place["static_root"].lstrip("/"))
    add_starter(given, out)
    write_proxy(given, place, out)
    manifest = {
        "format": FORMAT,
        "service": given["service"],
        "version": given["version"],
        "lock": given["lock"],
        "revision": given["revision"],
        "app": plan_app(given, out, media),
        # The service's own files and the collected ones, of which there may be a copy where they run.
        "application": f"{given['application']}/root",
        "collected": f"{given['static']}/root" if given["static"] and not is_remote else "",
        "media": media,
        "persist": given["persist"],
        "static": {"files": str(files), "url": place["static_url"]} if given["static"] and not is_remote else None,
        "uploads": is_remote,
        "processes": given["processes"]["names"],
        "table": given["processes"]["table"],
        "probes": probes(Path(given["application"])),
        "servers": describe_servers(given),
        "supervisor": given["supervisor"],
        **_ABILITIES,
    }
    (out / MANIFEST).write_text(json.dumps(manifest, sort_keys=True, indent=1) + "\n")


if __name__ == "__main__":
    main()
