"""Git repositories: the files of one commit, fetched by the machine's git with the rights of its user."""

from __future__ import annotations

import io
import re
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from estiba.digest import Digest
from estiba.errors import ArtifactError, CommandError
from estiba.lock.direct import archive
from estiba.service.declarations import direct

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from estiba.config import Config
    from estiba.lock.artifacts import Artifacts
    from estiba.process import Runner
    from estiba.service.declarations.direct import Source

_POINTER: Final = b"version https://git-lfs"
_VERSIONED: Final = re.compile(rb"setuptools[-_]scm|hatch-vcs|versioningit|pbr|flit[-_]scm", re.IGNORECASE)
# Above all, what the repository's own .gitattributes say: the files are those of the tree, whatever this machine has.
_ATTRIBUTES: Final = "* -export-ignore -export-subst -filter -ident -text -working-tree-encoding\n"
_TRANSPORTS: Final = "file:git:http:https:ssh"


def fetch(source: Source, artifacts: Artifacts, *, config: Config, runner: Runner) -> Digest:
    """Fetch a commit, and return the digest of the archive of its files in the download cache.

    Args:
        source: Package in a git repository.
        artifacts: Download cache.
        config: Settings; git gets all environment variables, so that its credentials and agents are the user's.
        runner: Runs git.

    Raises:
        ArtifactError: The repository cannot be read, lacks the commit, or has files elsewhere (submodules, LFS).
    """
    repository = config.cache_dir / "git" / Digest.of_bytes(source.url.encode()).hex[:16]
    # A prompt for a password would never be seen, and wait for ever.
    env = config.environment(GIT_ALLOW_PROTOCOL=_TRANSPORTS, GIT_TERMINAL_PROMPT="0")
    git = ["git", "-C", str(repository)]
    tree = f"{source.commit}:{source.subdirectory}"

    def run(*words: str) -> str:
        return runner([*git, *words], env=env).stdout

    try:
        if not (repository / "HEAD").exists():
            runner(["git", "init", "--quiet", "--bare", str(repository)], env=env)
        (repository / "info").mkdir(parents=True, exist_ok=True)
        (repository / "info" / "attributes").write_text(_ATTRIBUTES, encoding="utf-8")
        if runner([*git, "cat-file", "-e", f"{source.commit}^{{commit}}"], env=env, check=False).code:
            _fetch_commit(source, run)
        listed = run("ls-tree", "-r", "-z", tree)
        with tempfile.TemporaryDirectory(dir=repository, prefix="archive-") as scratch:
            file = Path(scratch, "tree.tar")
            run("archive", "--format=tar", f"--output={file}", tree)
            members, programs = _read(file.read_bytes())
    except CommandError as error:
        msg = f"git cannot fetch {source}:\n{direct.hide(error.tail)}"
        raise ArtifactError(msg, hint=f"try it by hand: git ls-remote {source.url}") from error
    _refuse_indirect(source, listed, members)
    return archive.pack(_add_version(members, source), artifacts, executable=programs)


def _fetch_commit(source: Source, run: Callable[..., str]) -> None:
    """Fetch one commit, or all branches and tags of a server that gives no single commit."""
    options = ("fetch", "--quiet", "--no-recurse-submodules")
    try:
        run(*options, "--depth=1", "--no-tags", source.url, source.commit)
    except CommandError:
        run(*options, source.url, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")


def _read(data: bytes) -> tuple[dict[str, bytes | Path], list[str]]:
    """Return the files and symbolic links in what `git archive` writes, and the names of programs."""
    members: dict[str, bytes | Path] = {}
    programs = []
    with tarfile.open(fileobj=io.BytesIO(data)) as packed:
        for member in packed:
            if member.issym():
                members[member.name] = Path(member.linkname)
            elif member.isfile() and (content := packed.extractfile(member)):
                members[member.name] = content.read()
                programs += [member.name] if member.mode & 0o100 else []
    return members, programs


def _refuse_indirect(source: Source, listed: str, members: Mapping[str, bytes | Path]) -> None:
    """Raise an error for files that the commit does not hold."""
    modules = [line.partition("\t")[2] for line in listed.split("\0") if line.startswith("160000 ")]
    pointers = [name for name, one in members.items() if isinstance(one, bytes) and one.startswith(_POINTER)]
    problems = [f"{name} is a submodule" for name in modules] + [f"{name} is in Git LFS" for name in pointers]
    if problems:
        msg = f"{source} does not hold all of its files: {', '.join(problems)}"
        raise ArtifactError(msg, hint="publish it as a package on an index, a private one will do")


def _add_version(members: Mapping[str, bytes | Path], source: Source) -> Mapping[str, bytes | Path]:
    """Add the file that tools which ask git for a version read where there is no repository, as in an sdist."""
    texts = (members.get(name, b"") for name in direct.METADATA_FILES)
    if "PKG-INFO" in members or not any(isinstance(one, bytes) and _VERSIONED.search(one) for one in texts):
        return members
    lines = ("Metadata-Version: 2.1", f"Name: {source.name}", f"Version: 0+g{source.commit[:12]}", "")
    return {**members, "PKG-INFO": "\n".join(lines).encode()}
