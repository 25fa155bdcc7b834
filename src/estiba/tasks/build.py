"""`invoke build`, `invoke build.verify`: build the image of a service, and verify that it is reproducible."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from estiba import config, files
from estiba.build.flake import LOCK
from estiba.build.oci_image import build as build_image
from estiba.errors import VerificationError
from estiba.lock import freshness
from estiba.nix import commands as nix
from estiba.tasks.console import console, leave, task
from estiba.tasks.options import choose

if TYPE_CHECKING:
    from collections.abc import Iterator

    from invoke import Context

    from estiba.build.oci_image import Built
    from estiba.build.verify.candidate import Candidate
    from estiba.build.verify.proof import Proof
    from estiba.config import Config

_PLATFORMS = "`platforms` in [tool.estiba] of pyproject.toml lists those that the service is locked for"


@task(
    default=True,
    help={
        "project": "Folder of the service.",
        "platform": "Platform to build for, such as x86_64-linux; by default all of the lock.",
        "json": "Print the result as one JSON object.",
    },
)
def build(_: Context, project: str = ".", platform: str = "", json: bool = False) -> None:
    """Build the image from the lock, offline, and print its digest and layers.

    `hermetic` in the JSON object is false where Nix builds without its sandbox, or has in the same store.
    """
    if platform:
        from estiba.service import project as projects  # noqa: PLC0415 - a build of all platforms does not wait for it

        choose("platform", platform, projects.load(Path(project)).platforms, hint=_PLATFORMS)
    freshness.check(Path(project))
    warn_of_gaps(Path(project))
    settings = config.load()
    with console.step("build") as on_status:
        built = build_image(Path(project), settings, platform=platform, on_status=on_status)
    if json:
        console.json({**built.to_dict(), "hermetic": nix.is_hermetic()})
    else:
        _show(built)
    if settings.sandbox:
        console.say("built without the sandbox of Nix: the same image, but not hermetic")


@task(
    help={
        "image": "Folder or HOST/NAME[:TAG] of an image to rebuild from its commit; by default the last build's.",
        "project": "Folder of the service.",
        "insecure": "Allow plain HTTP for a registry on another machine.",
        "json": "Print the result as one JSON object.",
    }
)
def verify(_: Context, *, image: str = "", project: str = ".", insecure: bool = False, json: bool = False) -> None:
    """Build the image again under other conditions, and compare.

    Store, user, path, time zone, locale and number of cores differ. Exits with 1 and lists the differences unless the
    digest is the same. Refused without the sandbox of Nix, where it would prove nothing.
    """
    from estiba.build.verify.proof import rebuild, rebuild_from_source  # noqa: PLC0415 - see _candidate

    settings = config.load()
    if not nix.is_hermetic():
        message = "Nix builds here without its sandbox, or has, so building again would prove nothing"
        raise VerificationError(
            message, hint="on a machine with the sandbox: invoke build.verify --image HOST/NAME:TAG"
        )
    with console.step("verify") as on_status, _candidate(image, settings, insecure=insecure) as candidate:
        if candidate is None:
            proof = rebuild(Path(project), settings, on_status=on_status)
        else:
            proof = rebuild_from_source(candidate, Path(project), settings, fetch=_fetch, on_status=on_status)
    if json:
        console.json(proof.to_dict())
    else:
        _show_proof(proof)
    leave(0 if proof.is_same else 1)


def warn_of_gaps(folder: Path) -> None:
    """Warn of a front end that no build builds, of processes that nothing runs, and of modules that hide others."""
    from estiba.build import hidden  # noqa: PLC0415 - see _candidate
    from estiba.scaffold.adopt import procfile  # noqa: PLC0415
    from estiba.service import npm_package  # noqa: PLC0415
    from estiba.service import project as projects  # noqa: PLC0415

    project = projects.load(folder)
    if not project.frontend and (told := npm_package.find_unbuilt(folder)):
        console.warn(told)
    for sentence in (*procfile.find_idle(project), *hidden.find(project)):
        console.warn(sentence)


def _show_proof(proof: Proof) -> None:
    from estiba.image.diff import summarize  # noqa: PLC0415 - see _candidate

    varied = f"with another {', '.join(proof.varied)}" if proof.varied else "from the commit that the image names"
    console.say(f"built again {varied}")
    for told in summarize(proof.differences):
        console.fail(told)
    if proof.is_same:
        console.result(f"{proof.found}  the same")
    else:
        console.result(f"{proof.found}  instead of {proof.expected}")


@contextmanager
def _candidate(image: str, settings: Config, *, insecure: bool) -> Iterator[Candidate | None]:
    """Open the image to verify; None stands for the last build of the project."""
    # Imported here, since these modules take longer to import than a build without changes takes.
    from estiba.build.verify import candidate as candidates  # noqa: PLC0415
    from estiba.image import layout  # noqa: PLC0415
    from estiba.imageref import ImageRef, is_reference  # noqa: PLC0415
    from estiba.publish.registry import credentials  # noqa: PLC0415
    from estiba.publish.registry.client import Registry  # noqa: PLC0415
    from estiba.publish.registry.pull import open_candidate  # noqa: PLC0415

    if not image:
        yield None
    elif Path(image).exists() or not is_reference(image):
        yield candidates.of_layout(layout.read_built(Path(image), settings.store))
    else:
        ref = ImageRef.parse(image)
        found = credentials.load(settings.docker_config, ref.host)
        with open_candidate(ref, Registry(ref, credentials=found, insecure=insecure)) as candidate:
            yield candidate


def _fetch(folder: Path) -> None:
    """Fetch the artifacts of another commit's lock."""
    from estiba.fetch import apply, plan  # noqa: PLC0415 - see _candidate
    from estiba.lock import model  # noqa: PLC0415
    from estiba.lock.context import LockContext  # noqa: PLC0415

    lock = model.parse(files.read(folder / LOCK))
    wanted = plan.plan(lock, folder=folder)
    if wanted.files:
        context = LockContext(config=config.load(), folder=folder, tell=console.say)
        with console.progress("fetch", total=wanted.size, unit="bytes") as advance:
            apply.apply(lock, wanted, context, advance=advance)


def _show(built: Built) -> None:
    rows = [
        (
            layer.platform,
            layer.name,
            f"{layer.size / 1e6:.2f} MB",
            "new" if layer.changed else "as before",
            _shorten(", ".join(layer.contents)),
        )
        for layer in built.layers
    ]
    console.table(("platform", "layer", "size", "changed", "contents"), rows)
    for platform in built.platforms:
        size = sum(layer.size for layer in built.layers if layer.platform == platform)
        console.result(f"{platform}: {size / 1e6:.1f} MB compressed")
    console.result(f"{built.digest}  {built.path}")


def _shorten(text: str, limit: int = 60) -> str:
    return text if len(text) <= limit else f"{text[:limit]}…"
