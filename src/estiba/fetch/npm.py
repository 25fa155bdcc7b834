"""npm packages of a front end: brought into npm's cache by the locked npm, and added to the Nix store from there."""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from estiba.errors import ArtifactError, CommandError, ConfigError
from estiba.fetch import store
from estiba.nix import commands as nix
from estiba.redaction import redact_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from estiba.lock.context import LockContext
    from estiba.service.frontend import Tarball

_DIVIDER: Final = "\n  - "
_SHOWN: Final = 8
_USER_FILE: Final = "npm_config_userconfig"
_MACHINE_FILE: Final = "/etc/npmrc"
_NETWORK_FILES: Final = ("/etc/resolv.conf", "/etc/hosts")
_AUTHORITIES: Final = "/etc/ssl/certs/ca-certificates.crt"
"""Certificates that the locked OpenSSL trusts."""

_BUNDLES: Final = (_AUTHORITIES, "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem")
"""Where systems keep the certificates that they trust."""

_EXTRA_AUTHORITIES: Final = "NODE_EXTRA_CA_CERTS"
_FILES: Final = re.compile(
    r"(npm_config_(.*:)?(globalconfig|userconfig|cafile|certfile|keyfile)|NODE_EXTRA_CA_CERTS|SSL_CERT_FILE)",
    re.IGNORECASE,
)
"""Variables that name a file which npm reads (npm-config(7), node(1))."""

_KEPT: Final = re.compile(
    rf"npm_config_.*|(http|https|all|no)?_?proxy|HOME|NODE_TLS_REJECT_UNAUTHORIZED|{_FILES.pattern}", re.IGNORECASE
)
"""Variables that npm's access to the network depends on."""

_OWN: Final = re.compile(r"npm_config_(cache|prefix|nodedir|offline|globalconfig)", re.IGNORECASE)
"""Settings of the machine's npm that do not hold for the locked one."""

_FILE_LINE: Final = re.compile(r"^\s*(?:\S*:)?(?:cafile|certfile|keyfile)\s*=\s*[\"']?(.+?)[\"']?\s*$", re.MULTILINE)
_ABSENT: Final = re.compile(r"No matching version found for (\S+@[\w.+-]*\w)|404\s+'(\S+@\S+)' is not in")
"""What npm says about a version, or a package, that the registry lacks; it stops at the first."""

_REFERENCE: Final = re.compile(r"\$\{(\w+)\??\}")
"""Variable in an .npmrc (npmrc(5))."""


def fetch(tarballs: Sequence[Tarball], project: Path, lock: Path, context: LockContext) -> None:
    """Bring the tarballs of npm packages into the store, with the machine's npm configuration.

    The cache is npm's own, so that after an interruption the next call continues.

    Args:
        tarballs: Tarballs that the store lacks.
        project: Folder of the front end, whose .npmrc counts.
        lock: File of the service's lock, with npm's Debian packages, which are in the store.
        context: Download cache and runner.

    Raises:
        ArtifactError: Tarballs are missing in the registry, or have another hash; the message names them.
        ConfigError: The flake of Estiba, which has the root for npm, is not configured.
    """
    cache = _find_cache(context)
    cache.mkdir(parents=True, exist_ok=True)
    said = ""
    if wanted := [tarball for tarball in tarballs if not _content(cache, tarball).exists()]:
        context.tell(f"fetching {len(wanted)} npm packages")
        said = _bring(wanted, project, lock, context)
    arrived = [tarball for tarball in tarballs if _content(cache, tarball).exists()]
    _add(arrived, cache, context)
    if absent := _ABSENT.search(said):
        name, _, version = next(filter(None, absent.groups())).rpartition("@")
        msg = f"npm's registry has no {name} {version}, which package-lock.json names"
        hint = f"npm view {name} versions lists what it has, npm config get registry names it; or lock another version"
        raise ArtifactError(msg, hint=hint)
    if missing := [f"{tarball.name} {tarball.version}" for tarball in tarballs if tarball not in arrived]:
        more = [f"and {len(missing) - _SHOWN} more"] if len(missing) > _SHOWN else []
        listed = _DIVIDER.join([*missing[:_SHOWN], *more])
        reason = f"\n{said}" if said else "; the registry has them with another hash than package-lock.json"
        msg = f"npm packages are missing:{_DIVIDER}{listed}{reason}"
        raise ArtifactError(msg, hint="check npm's configuration (npm config list); invoke fetch goes on from here")


def _bring(wanted: Sequence[Tarball], project: Path, lock: Path, context: LockContext) -> str:
    """Run npm in its root, and return what it said where it failed."""
    library = _find_library(context)
    words = ("tree", "--impure", "--file", f"{library}/nix/frontend.nix", "--argstr", "lock", str(lock.resolve()))
    tree = nix.build(*words, sandbox=context.config.sandbox, options=("--offline",), runner=context.runner)
    with tempfile.TemporaryDirectory(prefix="estiba-npm-") as place:
        scratch = Path(place).resolve()
        request = _make_request(wanted, project, scratch, context.config.variables)
        request |= {"tree": str(nix.locate(tree, context.config.store)), "cache": str(_find_cache(context).resolve())}
        driver = f"{library}/nix/build/builders/run.py"
        argv = [sys.executable, "-sSEB", driver, "frontend/bring.py"]
        try:
            context.runner(argv, cwd=scratch, stdin=json.dumps(request))
        except CommandError as error:
            return redact_text(error.tail)
    return ""


def _find_cache(context: LockContext) -> Path:
    return context.cache / "npm"


def _find_library(context: LockContext) -> str:
    if not context.config.flake:
        problem = "its npm packages are fetched by the locked npm, which without ESTIBA_FLAKE cannot run"
        where = "[tool.estiba.frontend]"
        raise ConfigError(where, [problem], hint="enter the development shell first: ./nixw develop")
    return context.config.flake.removeprefix("path:")


def _make_request(
    wanted: Sequence[Tarball], project: Path, scratch: Path, variables: Mapping[str, str]
) -> dict[str, object]:
    """Return the request to the builder `bring`, with private copies of all files that npm reads on this machine."""
    settings = [path for path in _list_settings(project, variables) if path.is_file()]
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in settings]
    named = {name for text in texts for name in _REFERENCE.findall(text)}
    env = {name: value for name, value in variables.items() if name in named or _KEPT.fullmatch(name)}
    env = {name: value for name, value in env.items() if not _OWN.fullmatch(name)}
    # npm finds that of the project in its working directory.
    files = {str(path): path for path in settings if path.parent != project}
    for name in [value for key, value in env.items() if _FILES.fullmatch(key)] + _find_named(texts, env):
        files[name] = Path(name)
    files |= {name: Path(name) for name in _NETWORK_FILES}
    files[_AUTHORITIES] = _find_authorities(env)
    env = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", _EXTRA_AUTHORITIES: _AUTHORITIES, **env}
    (scratch / "project").mkdir()
    if (project / ".npmrc").is_file():
        shutil.copyfile(project / ".npmrc", scratch / "project" / ".npmrc")
    return {
        "env": env,
        "files": _copy(files, scratch / "files"),
        "project": str(scratch / "project"),
        "specs": [tarball.source or f"{tarball.name}@{tarball.version}" for tarball in wanted],
    }


def _list_settings(project: Path, variables: Mapping[str, str]) -> list[Path]:
    """Return the .npmrc files of project, user and machine, which need not exist."""
    given = next((value for name, value in variables.items() if name.lower() == _USER_FILE), "")
    user = Path(given) if given else Path(variables.get("HOME", "/"), ".npmrc")
    return [project / ".npmrc", user, Path(_MACHINE_FILE)]


def _find_named(texts: Iterable[str], env: Mapping[str, str]) -> list[str]:
    """Return the files that settings name: certificates and keys."""
    found = [name for text in texts for name in _FILE_LINE.findall(text)]
    expanded = [_REFERENCE.sub(lambda match: env.get(match[1], match[0]), name) for name in found]
    home = env.get("HOME", "")
    return [f"{home}{name[1:]}" if name.startswith("~/") else name for name in expanded]


def _find_authorities(env: Mapping[str, str]) -> Path:
    """Return the file with the certificates that this machine trusts."""
    named = [env[name] for name in ("SSL_CERT_FILE", *_BUNDLES) if name in env]
    return next((path for path in map(Path, (*named, *_BUNDLES)) if path.is_file()), Path(_AUTHORITIES))


def _copy(files: Mapping[str, Path], folder: Path) -> dict[str, str]:
    """Copy the files that exist, for the root to show, and return the copies by the path that they are seen at.

    Where namespaces are not to be had, a root moves what it shows; the user's own files stay where they are.
    """
    folder.mkdir(mode=0o700)
    copies = {}
    for index, (place, path) in enumerate(sorted(files.items())):
        if place.startswith("/") and path.is_file():
            copies[place] = str(folder / str(index))
            shutil.copyfile(path, copies[place])
    return copies


def _content(cache: Path, tarball: Tarball) -> Path:
    """Return where npm keeps a file by its hash (cacache, `content-v2`)."""
    digits = tarball.sha512
    return cache / "_cacache" / "content-v2" / "sha512" / digits[:2] / digits[2:4] / digits[4:]


def _add(arrived: Sequence[Tarball], cache: Path, context: LockContext) -> None:
    """Add tarballs to the store."""
    cached = [(tarball, _content(cache, tarball)) for tarball in arrived]
    if damaged := store.add(cached, context, algorithm="sha512"):
        listed = _DIVIDER.join(f"{tarball.name} {tarball.version}" for tarball in damaged)
        msg = f"npm's cache held damaged files, now removed:{_DIVIDER}{listed}"
        raise ArtifactError(msg, hint="invoke fetch brings them again")
