"""Releases that wait for approvals, signed with the real ssh-keygen, and push to a real registry."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from tests.services import openssh, releases

from estiba.digest import Digest
from estiba.errors import ApprovalError, PlanError
from estiba.image import media_types
from estiba.image.manifest import Document
from estiba.imageref import ImageRef
from estiba.publish import chart as charts
from estiba.publish.registry.client import Registry
from estiba.release import approval
from estiba.release.approval import Approval
from estiba.release.journal import DONE, WAITING
from estiba.release.run import publication
from estiba.release_manifest import ReleaseImage

if TYPE_CHECKING:
    from pathlib import Path

    from tests.services.openssh import Team
    from tests.services.registry import RunningRegistry

    from estiba.build.oci_image import Built
    from estiba.release.run.workspace import Workspace

RULES = '[tool.estiba.release.approvals]\nproduction = ["ana@example.com"]\n'


@pytest.fixture
def team(tmp_path: Path) -> Team:
    """Return people with keys."""
    return openssh.make_team(tmp_path / "team")


def load(folder: Path, state: Path, team: Team) -> Workspace:
    """Load a service whose release to production ana has to approve."""
    return replace(releases.workspace(folder, state=state), runner=openssh.runner_of(team))


def approve(service: Workspace, team: Team, plan: str) -> None:
    """Sign an approval as ana, and keep it in git."""
    unsigned = Approval(
        target="production",
        plan=Digest.parse(plan),
        principal="ana@example.com",
        at=datetime.now(UTC).replace(microsecond=0),
    )
    signed = approval.sign(unsigned, team.key("ana"), openssh.runner_of(team))
    approval.store(service.folder, signed, openssh.runner_of(team))


def test_release_waits_for_its_approval(tmp_path: Path, team: Team) -> None:
    """The error has the command that gives it, which counts here and, with git alone, on another machine."""
    folder = tmp_path / "shop"
    releases.create(folder, "0.9.0", settings=RULES)
    (folder / "allowed_signers").write_text(team.signer("ana"))
    releases.commit(folder, "1.0.0", "feat: Ask ana", settings=RULES)
    service = load(folder, tmp_path / "state", team)

    with pytest.raises(ApprovalError) as caught:
        releases.release(service)
    words = caught.value.hint.removesuffix(", then invoke release.resume").split()
    assert words[:-1] == ["invoke", "approve", "--target", "production", "--plan"]
    stopped = service.journals.open()
    assert (stopped.result, stopped.entries[-1].code) == (WAITING, 3)
    with pytest.raises(ApprovalError):
        releases.resume(service, stopped)

    approve(service, team, words[-1])
    elsewhere = load(folder, tmp_path / "elsewhere", team)
    journal = releases.release(elsewhere)
    assert journal.result == DONE
    entry = journal.last("approval:production")
    assert entry
    assert entry.output["approved"] == ["ana@example.com"]
    assert releases.resume(service, service.journals.open()).result == DONE


def test_image_is_pushed_once(tmp_path: Path, shop_image: Built, running_registry: RunningRegistry) -> None:
    """By the digest of the build; what the registry lost is noticed before the step is skipped."""
    folder = releases.create(tmp_path / "shop")
    service = releases.workspace(folder, "staging", state=tmp_path / "state")
    repository = f"{running_registry.host}/shop"
    service = replace(service, project=replace(service.project, targets={"staging": {"image": repository}}))
    image = ReleaseImage(digest=Digest.parse(shop_image.digest), path=shop_image.path, platforms={})
    manifest = replace(service.build(service.contents, lambda _: None), image=image)

    output = publication.push(service, manifest, lambda _: None)

    assert output == {"cache": {}, "charts": [], "images": [f"{repository}:1.0.0@{shop_image.digest}"]}
    assert publication.verify(service, output)
    before = len(running_registry.blob_files("shop"))
    assert publication.push(service, manifest, lambda _: None) == output
    assert len(running_registry.blob_files("shop")) == before
    assert not publication.verify(service, {"images": [f"{running_registry.host}/hats@{shop_image.digest}"]})


def test_tag_of_a_version_is_not_moved(tmp_path: Path, shop_image: Built, running_registry: RunningRegistry) -> None:
    """Another image under the version's tag stays, and the hint is the next version."""
    folder = releases.create(tmp_path / "shop")
    repository = f"{running_registry.host}/moved"
    service = releases.workspace(folder, "staging", state=tmp_path / "state")
    service = replace(service, project=replace(service.project, targets={"staging": {"image": repository}}))
    image = ReleaseImage(digest=Digest.parse(shop_image.digest), path=shop_image.path, platforms={})
    manifest = replace(service.build(service.contents, lambda _: None), image=image)
    registry = Registry(ImageRef.parse(f"{repository}:1.0.0"), writes=True)
    other = Document(media_type=media_types.INDEX, data=b'{"schemaVersion":2,"manifests":[]}')
    registry.put_manifest("1.0.0", other)

    with pytest.raises(PlanError, match=f"moved:1.0.0 is image {other.digest}, and this release's is") as caught:
        publication.push(service, manifest, lambda _: None)

    assert caught.value.hint.endswith("release the next version")
    served = registry.manifest("1.0.0")
    assert served
    assert served.digest == other.digest


def test_chart_is_pushed_with_the_release(tmp_path: Path, running_registry: RunningRegistry) -> None:
    """By digest, once; what has changed under the same version is refused."""
    folder = releases.create(tmp_path / "shop")
    service = releases.workspace(folder, "staging", state=tmp_path / "state")
    chart = shutil.copytree(charts.own(), tmp_path / "chart")
    target = replace(releases.target(service, "staging"), chart=chart)
    settings = replace(service.settings, charts=f"{running_registry.host}/charts")
    service = replace(service, settings=settings, targets={"staging": target})
    manifest = service.build(service.contents, lambda _: None)

    output = publication.push(service, manifest, lambda _: None)

    version = charts.load(chart).version
    assert output["charts"][0].startswith(f"{running_registry.host}/charts/django-service:{version}@sha256:")
    assert publication.verify(service, output)
    assert publication.push(service, manifest, lambda _: None) == output
    (chart / "values.yaml").write_text((chart / "values.yaml").read_text() + "# changed\n")
    with pytest.raises(PlanError, match=f"django-service:{version} is chart sha256:"):
        publication.push(service, manifest, lambda _: None)
