"""Driver of pip and pip-tools: a program that reads a JSON request and resolves or downloads for any platform.

It runs under the service's interpreter, where only pip, pip-tools and their dependencies can be imported. It uses pip's
own session and package finder, so all indexes, proxies, certificates and credentials of pip's configuration apply.

pip's command line does not suffice: `--platform` excludes sdists, markers are evaluated for this machine, the
installation report covers no other platform, and pip-tools downloads files to hash them. Private interfaces of pip are
used in this module only, and `interpreter` refuses versions of pip and pip-tools that were not tested.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import json
import os
import platform
import runpy
import shutil
import sys
import sysconfig
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_WORKERS: Final = 8
_CHUNK: Final = 1 << 18
_PARTIAL_CONTENT: Final = 206
_stderr_lock = threading.Lock()


def emulate(machine: str) -> None:
    """Replace the functions from which pip computes wheel tags and markers by those of another machine.

    Args:
        machine: Value of `platform.machine()`, such as `aarch64`.
    """
    real = os.uname()
    os.uname = lambda: os.uname_result((real.sysname, real.nodename, real.release, real.version, machine))
    platform.machine = lambda: machine
    sysconfig.get_platform = lambda: f"linux-{machine}"


def compile_pins(request: Mapping[str, Any]) -> dict[str, Any]:
    """Run pip-compile with `arguments`; it exits with a code of its own on failure.

    Returns:
        Empty if the pins are written. Else `sdist`, one whose build backend has to be asked, with `name`, `file`,
        `sha256` and `size`: it is in the cache then, and the caller has to write its metadata to the file
        `<sha256>.json` in the folder `sdists`. Or `conflict`, the requirements that no versions satisfy, see
        `_describe`.
    """
    from pip._internal.exceptions import DistributionNotFound  # noqa: PLC0415 - the emulation comes first
    from piptools.repositories.pypi import PyPIRepository  # noqa: PLC0415
    from piptools.scripts.compile import cli  # noqa: PLC0415

    if lacking := _restrict(request):
        return {"lacking": lacking}
    _use_index_hashes(PyPIRepository)
    _reuse_sdist_metadata(Path(request["sdists"]), Path(request["cache"]))
    _keep_conflicts()
    try:
        cli(list(request["arguments"]), prog_name="pip-compile", standalone_mode=False)
    except _UnknownSdistError as unknown:
        return {"sdist": unknown.sdist}
    except DistributionNotFound as error:
        if not hasattr(error, "conflict"):
            raise
        return {"conflict": _describe(*error.conflict)}
    return {}


def _restrict(request: Mapping[str, Any]) -> Any:  # noqa: ANN401 - see there
    """Ask indexes for no project that comes from elsewhere, by the module beside this program."""
    if not request["indexes"] and not request["withheld"]:
        return []
    return _load_indexes()["restrict"](request["indexes"], request["withheld"])


def _load_indexes() -> Mapping[str, Any]:
    # This folder is not on the import path: its `pip` would take the place of pip.
    return runpy.run_path(str(Path(__file__).with_name("pip_indexes.py")))


def _keep_conflicts() -> None:
    """Patch pip to keep the causes of a failed resolution, which it only logs in part."""
    from pip._internal.exceptions import DistributionNotFound  # noqa: PLC0415 - the emulation comes first
    from pip._internal.resolution.resolvelib import factory  # noqa: PLC0415

    def keep(_self: Any, impossible: Any, constraints: Any) -> Any:  # noqa: ANN401 - pip has no types for others
        # pip-tools catches this class, and tries again without the old pins that are among the causes.
        error: Any = DistributionNotFound("no versions fit together")
        error.conflict = (impossible.causes, constraints)
        return error

    patched: Any = factory.Factory
    patched.get_installation_error = keep


def _describe(causes: Sequence[Any], constraints: Mapping[str, Any]) -> dict[str, Any]:
    """Describe a failed resolution.

    Returns:
        `causes`, each with a `requirement`, and as `chain` what asks for it, then what asks for that, to the file that
        begins it; `constraints`, those on the same projects; `projects`, the `versions` of each project that this
        Python can use, and as `unusable` those that it cannot.
    """
    names = {cause.requirement.name for cause in causes}
    projects = {cause.requirement.project_name for cause in causes if cause.requirement.get_candidate_lookup()[1]}
    return {
        "causes": [_describe_cause(cause.requirement, cause.parent) for cause in causes],
        "constraints": sorted(f"{name}{constraints[name].specifier}" for name in names & constraints.keys()),
        "projects": {name: _Pip().list_versions(name) for name in sorted(projects)},
    }


def _describe_cause(requirement: Any, parent: Any) -> dict[str, Any]:  # noqa: ANN401 - pip has no types for others
    asked = requirement.get_candidate_lookup()[1]
    if asked and asked.req:
        text = str(asked.req)
    else:
        # A file or address, which may hold credentials, or the version of Python itself.
        specifier = getattr(requirement, "specifier", None)
        text = f"Python {specifier}" if specifier is not None else requirement.format_for_error().split(" @ ")[0]
    chain = [f"{parent.name} {parent.version}"] if parent else []
    origin = parent.get_install_requirement() if parent else asked
    while origin is not None and not isinstance(origin, str):
        origin = origin.comes_from
        if origin is not None:
            chain.append(origin if isinstance(origin, str) else str(origin.name))
    return {"requirement": text, "chain": chain}


class _UnknownSdistError(Exception):
    """Nobody has asked the build backend of an sdist yet."""

    def __init__(self, sdist: dict[str, Any]) -> None:
        super().__init__(sdist["file"])
        self.sdist = sdist


def _reuse_sdist_metadata(known: Path, cache: Path) -> None:
    """Patch pip to take the metadata of an sdist from a file in `known`, and from nowhere else."""
    from pip._internal.metadata import get_metadata_distribution  # noqa: PLC0415 - the emulation comes first
    from pip._internal.operations import prepare  # noqa: PLC0415
    from pip._vendor.packaging.utils import canonicalize_name  # noqa: PLC0415

    original = prepare._get_prepared_distribution  # noqa: SLF001 - pip has no public interface

    def get(req: Any, *rest: Any, **options: Any) -> Any:  # noqa: ANN401
        archive = Path(req.local_file_path or "")
        if not req.link or req.link.is_wheel or not archive.is_file():
            return original(req, *rest, **options)
        name, file, sha256 = canonicalize_name(req.name or ""), req.link.filename, _hash(archive)
        answer = known / f"{sha256}.json"
        if answer.exists():
            text = json.loads(answer.read_text(encoding="utf-8"))["metadata"]
            return get_metadata_distribution(text.encode(), file, name)
        # pip would run its build backend here, which is for the sandbox to do.
        shutil.copyfile(archive, cache / sha256)
        raise _UnknownSdistError({"name": name, "file": file, "sha256": sha256, "size": archive.stat().st_size})

    prepare._get_prepared_distribution = get  # noqa: SLF001


def _use_index_hashes(repository: Any) -> None:  # noqa: ANN401 - pip-tools has no interface for this
    """Patch pip-tools to use the hashes of the index, as pip does, instead of downloading every file of a release."""
    compute = repository._get_file_hash  # noqa: SLF001

    def read(self: Any, link: Any) -> str:  # noqa: ANN401
        return f"sha256:{link.hash}" if link.hash_name == "sha256" else str(compute(self, link))

    repository._get_file_hash = read  # noqa: SLF001
    repository._get_hashes_from_pypi = lambda _self, _requirement: {}  # noqa: SLF001


def select(request: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Select the file of each of `pins` that pip would install, and download it into `cache`.

    Returns:
        For each pin `name`, `version`, `file`, `sha256`, `size`, perhaps `yanked`; or `name`, `version` and `error`.
    """
    _restrict(request)
    pip = _Pip()
    cache = Path(request["cache"])

    def select_pin(pin: Mapping[str, Any]) -> dict[str, Any]:
        answer = {"name": pin["name"], "version": pin["version"]}
        try:
            link = pip.choose(pin["name"], pin["version"], pin["hashes"])
            yanked = {"yanked": link.yanked_reason or "no reason is given"} if link.is_yanked else {}
            return {**answer, **yanked, **pip.download(link, cache, pin["hashes"])}
        except _ProblemError as problem:
            return {**answer, "error": str(problem)}

    with ThreadPoolExecutor(_WORKERS) as pool:
        return list(pool.map(select_pin, request["pins"]))


def fetch(request: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Download `files`, each given by project `name`, `file` and `sha256`, into `cache`."""
    wanted = request["files"]
    pip = _Pip(only={file["file"] for file in wanted})
    cache = Path(request["cache"])

    def fetch_file(file: Mapping[str, Any]) -> dict[str, Any]:
        answer = {"file": file["file"], "sha256": file["sha256"]}
        try:
            link = pip.find(file["name"], file["file"], file["sha256"])
            return {**answer, **pip.download(link, cache, [file["sha256"]])}
        except _ProblemError as problem:
            return {**answer, "error": str(problem)}

    with ThreadPoolExecutor(_WORKERS) as pool:
        return list(pool.map(fetch_file, wanted))


def configure(_request: Mapping[str, Any]) -> dict[str, Any]:
    """Return what pip's configuration says of indexes and of the ways to them."""
    from pip._internal.commands.download import DownloadCommand  # noqa: PLC0415 - the emulation comes first

    options, _ = DownloadCommand("download", "").parse_args([])
    names = (
        "cert",
        "client_cert",
        "extra_index_urls",
        "find_links",
        "index_url",
        "keyring_provider",
        "no_index",
        "proxy",
    )
    return {name: getattr(options, name) for name in (*names, "timeout", "trusted_hosts")}


class _ProblemError(Exception):
    """A problem of one file, which does not stop the others."""


class _FileNameEvaluator:
    """Replacement of pip's link evaluator that accepts exactly the given file names, whatever their tags."""

    def __init__(self, project_name: str, accepted: tuple[Any, Any], only: set[str]) -> None:
        self.project_name = project_name
        self._accepted, self._rejected = accepted
        self._only = only

    def evaluate_link(self, link: Any) -> tuple[Any, str]:  # noqa: ANN401 - pip has no types for others
        return (self._accepted, "0") if link.filename in self._only else (self._rejected, "not wanted")


class _Pip:
    """pip's session and package finder, configured by files and environment as for pip's own commands."""

    def __init__(self, only: set[str] | None = None) -> None:
        from pip._internal.commands.download import DownloadCommand  # noqa: PLC0415 - the emulation comes first
        from pip._internal.index.package_finder import LinkType  # noqa: PLC0415

        command = DownloadCommand("download", "")
        options, _ = command.parse_args([])
        options.no_input = True
        self._session = command._build_session(options)  # noqa: SLF001 - pip has no public interface
        finder: Any = command._build_package_finder(options, self._session)  # noqa: SLF001
        if only is not None:
            kinds = (LinkType.candidate, LinkType.format_unsupported)
            finder.make_link_evaluator = functools.partial(_FileNameEvaluator, accepted=kinds, only=only)
        self._finder = finder

    def choose(self, name: str, version: str, hashes: list[str]) -> Any:  # noqa: ANN401
        from pip._internal.utils.hashes import Hashes  # noqa: PLC0415
        from pip._vendor.packaging.specifiers import SpecifierSet  # noqa: PLC0415

        # `===` also matches a version that is not in the form of PEP 440.
        found = self._finder.find_best_candidate(
            name, specifier=SpecifierSet(f"==={version}", prereleases=True), hashes=Hashes({"sha256": hashes})
        ).best_candidate
        if found is None:
            problem = "no wheel fits, and there is no sdist"
            raise _ProblemError(problem)
        return found.link

    def list_versions(self, name: str) -> dict[str, list[str]]:
        """Return the versions of a project that this Python can use, and what others need, lowest first."""
        passed_over: list[str] = []
        indexes = _load_indexes()
        self._finder.make_link_evaluator = indexes["note_wheels"](self._finder.make_link_evaluator, passed_over)
        found = {candidate.version for candidate in self._finder.find_all_candidates(name)}
        needs = indexes["describe_wheels"](passed_over, {str(version) for version in found})
        return {
            "versions": [str(version) for version in sorted(found)],
            "unusable": sorted([*self._finder.requires_python_skipped_reasons(), *needs]),
        }

    def find(self, name: str, file: str, sha256: str) -> Any:  # noqa: ANN401
        links = [found.link for found in self._finder.find_all_candidates(name) if found.link.filename == file]
        for link in links:
            if link.hash_name == "sha256" and link.hash == sha256:
                return link
        for link in links:
            if link.hash_name != "sha256":
                return link
        got = ", ".join(sorted({link.hash for link in links if link.hash}))
        problem = f"no index offers it with the locked hash, but with sha256 {got}" if got else "no index has it"
        raise _ProblemError(problem)

    def download(self, link: Any, cache: Path, allowed: list[str]) -> dict[str, Any]:  # noqa: ANN401
        """Download the file of a link into the cache, under its hash, and verify the hash."""
        known = link.hash if link.hash_name == "sha256" else ""
        if known and (cache / known).exists():
            return {"file": link.filename, "sha256": known, "size": (cache / known).stat().st_size}
        partial = cache / "partial" / (known or hashlib.sha256(link.url_without_fragment.encode()).hexdigest())
        partial.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("ab") as file:
            # Another process may be downloading the same file; once it has, there is nothing left to do.
            fcntl.flock(file, fcntl.LOCK_EX)
            if known and (cache / known).exists():
                return {"file": link.filename, "sha256": known, "size": (cache / known).stat().st_size}
            self._transfer(link, file)
            got = _hash(partial)
            if got not in allowed:
                partial.unlink()
                problem = f"wrong hash: expected sha256 {' or '.join(allowed)}, got {got}"
                raise _ProblemError(problem)
            size = partial.stat().st_size
            partial.replace(cache / got)
        return {"file": link.filename, "sha256": got, "size": size}

    def _transfer(self, link: Any, file: Any) -> None:  # noqa: ANN401
        if link.is_file:
            file.truncate(0)
            with open(link.file_path, "rb") as source:  # noqa: PTH123 - pip gives a string
                shutil.copyfileobj(source, file)
            file.flush()
            return
        from pip._vendor.requests import RequestException  # noqa: PLC0415

        have = file.tell()
        # The hash is of the file itself, and a compressed transfer could not be continued.
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={have}-"} if have else {})}
        try:
            with self._session.get(link.url_without_fragment, headers=headers, stream=True) as response:
                # Without a range in the response, what is there cannot be continued.
                if have and response.status_code != _PARTIAL_CONTENT:
                    file.truncate(0)
                    if not response.ok:
                        self._transfer(link, file)
                        return
                response.raise_for_status()
                _copy(response, file, link.filename)
        except RequestException as error:
            reason = getattr(getattr(error, "response", None), "status_code", None) or type(error).__name__
            problem = f"download failed ({reason})"
            raise _ProblemError(problem) from error


def _copy(response: Any, file: Any, name: str) -> None:  # noqa: ANN401
    for chunk in iter(lambda: response.raw.read(_CHUNK, decode_content=False), b""):
        file.write(chunk)
        with _stderr_lock:
            sys.stderr.write(f"got {len(chunk)} {name}\n")
            sys.stderr.flush()
    file.flush()


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


_ACTIONS: Final[Mapping[str, Callable[[Mapping[str, Any]], Any]]] = {
    "compile": compile_pins,
    "configuration": configure,
    "fetch": fetch,
    "select": select,
}


def main() -> None:
    """Read a JSON request from standard input, run its `action`, and write the JSON response to standard output."""
    request = json.load(sys.stdin)
    if request.get("machine"):
        emulate(request["machine"])
    json.dump(_ACTIONS[request["action"]](request), sys.stdout)


if __name__ == "__main__":
    main()
