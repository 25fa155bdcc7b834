"""The way back of a rollout, whatever went wrong."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from tests.unit.test_release_manifest import MANIFEST

from estiba.deploy.kubernetes import settings
from estiba.deploy.kubernetes.client.helm import Helm
from estiba.deploy.kubernetes.client.kubectl import Kubectl
from estiba.deploy.kubernetes.inputs import Inputs
from estiba.deploy.kubernetes.rollout import Rollout
from estiba.deploy.kubernetes.state import repair as repairs
from estiba.deploy.kubernetes.state.store import Deployed, Store
from estiba.deploy.logbook import Record
from estiba.digest import Digest
from estiba.errors import CommandError, DeployError, RolledBackError, StrandedError, TargetError
from estiba.imageref import ImageRef
from estiba.process import Completed
from estiba.release_manifest import Migrations

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from estiba.release_manifest import ReleaseManifest

DIGEST = Digest.of_bytes(b"inputs")
SERVED = Deployed(number=1, manifest=MANIFEST, fingerprint="1", is_verified=True, origin=1)


@dataclass
class Cluster:
    """Answers of kubectl and helm about a release whose first revision is served.

    Attributes:
        answers: Standard output by the start of a command, without its flags.
        changes: Commands of Helm that changed it.
        made: Objects that were created.
    """

    answers: dict[str, str] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)
    made: list[dict[str, Any]] = field(default_factory=list)

    def run(self, argv: Sequence[str], *, stdin: str | None = None, check: bool = True) -> Completed:
        """Answer a command; an object that is written is echoed."""
        del check
        if stdin and "create" in argv:
            self.made.append(json.loads(stdin))
        words = " ".join(word for word in argv if not word.startswith("--"))
        found = next((said for start, said in self.answers.items() if words.startswith(start)), "")
        return Completed(argv=tuple(argv), code=0, stdout=found or stdin or "", tail="")

    def watch(self, argv: Sequence[str], *, poll: Callable[[], None]) -> Completed:
        """Note a command that changes the release; an upgrade is looked at while it runs."""
        self.changes.append(argv[1])
        if argv[1] == "upgrade":
            poll()
        return Completed(argv=tuple(argv), code=0, stdout="", tail="")


@pytest.fixture
def cluster() -> Cluster:
    """Return a cluster without pods and Jobs."""
    history = json.dumps([{"revision": 1, "status": "deployed"}])
    return Cluster(answers={"helm history": history, "kubectl get jobs": '{"items": []}'})


@pytest.fixture
def rollout(cluster: Cluster, tmp_path: Path) -> Rollout:
    """Return a rollout on that cluster."""
    kubectl = Kubectl(runner=cluster.run, namespace="shop")  # type: ignore[arg-type] # the arguments that are used
    helm = Helm(kubectl=kubectl, runner=kubectl.runner, watched=cluster.watch, release="shop", timeout=9)
    table = {"image": "registry.example/shop", "chart": str(tmp_path)}
    return Rollout(
        helm=helm,
        store=Store(kubectl=kubectl, name="estiba-shop", releases={1: SERVED}),
        settings=settings.parse("production", table, folder=tmp_path, service="shop"),
        evidence=tmp_path / "evidence",
        record=Record.begin("deploy"),
        on_status=lambda _: None,
    )


def upgrade(rollout: Rollout) -> Record:
    """Upgrade to the next version."""
    given = Inputs(
        chart=Path("chart"),
        values=(),
        image=ImageRef.parse(f"registry.example/shop@{DIGEST}"),
        chart_digest=DIGEST,
        fingerprint=DIGEST,
    )
    return rollout.upgrade(replace(MANIFEST, version="1.5.0"), given)


@pytest.mark.parametrize("listed", ['{"items": [{}]}', "no JSON"], ids=["KeyError", "ValueError"])
def test_error_that_nobody_expected_goes_the_way_back(rollout: Rollout, cluster: Cluster, listed: str) -> None:
    """What the watch over the pods cannot read ends the upgrade; the release before is served, and then it is told."""
    cluster.answers["kubectl get pods"] = listed

    with pytest.raises(RolledBackError) as caught:
        upgrade(rollout)

    assert cluster.changes == ["upgrade", "rollback", "test"]
    assert "1.4.0 is served again" in caught.value.message
    assert isinstance(caught.value.__cause__, KeyError | ValueError)
    assert rollout.store.records()[-1].result == "taken back"


def test_rollback_returns_from_what_a_killed_command_has_left(rollout: Rollout, cluster: Cluster) -> None:
    """To the last verified revision, and not to the one before that."""
    left = replace(SERVED, number=2, manifest=replace(MANIFEST, version="1.5.0"), is_verified=False, origin=2)
    rollout.store.releases[2] = left
    assert rollout.store.unverified() == left

    record = rollout.leave(left)

    assert (record.result, record.version) == ("rolled back", "1.4.0")
    assert cluster.changes == ["rollback", "test"]
    assert rollout.store.unverified() is None


def test_rollback_from_a_killed_first_release_serves_nothing(rollout: Rollout) -> None:
    """There was none before it, so that what was installed is removed."""
    left = replace(SERVED, is_verified=False)
    rollout.store.releases = {1: left}

    record = rollout.leave(left)

    assert (record.result, record.version, rollout.store.releases) == ("rolled back", "", {})


JOB = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "shop-migrate-1", "labels": {"app.kubernetes.io/component": "migrate"}},
    "spec": {"template": {"metadata": {"labels": {}}, "spec": {"containers": [{"args": ["migrate"]}]}}},
}


@pytest.mark.parametrize(
    ("end", "told"),
    [
        ("Complete", []),
        ("Failed", ["its static files could not be uploaded again: Job shop-migrate-1-upload failed:\n"]),
    ],
)
def test_way_back_brings_static_files_once_more(rollout: Rollout, cluster: Cluster, end: str, told: list[str]) -> None:
    """Where they are on another machine, what is there is the failed release's; a store that is away ends nothing."""
    said: list[str] = []
    rollout.on_status = said.append
    rollout.store.releases = {1: replace(SERVED, manifest=replace(MANIFEST, uploads=True))}
    cluster.answers |= {
        "helm get hooks": json.dumps(JOB),
        "kubectl get pods": "no JSON",
        "kubectl get job shop": json.dumps({"status": {"conditions": [{"type": end, "status": "True"}]}}),
    }

    with pytest.raises(RolledBackError):
        upgrade(rollout)

    (made,) = [one for one in cluster.made if one["kind"] == "Job"]
    assert made["spec"]["template"]["spec"]["containers"] == [{"args": ["upload"]}]
    assert "uploading the static files of 1.4.0" in said
    assert [line for line in said if "could not" in line] == told
    assert cluster.changes == ["upgrade", "rollback", "test"]


@pytest.mark.parametrize(
    ("irreversible", "reason"),
    [
        pytest.param({}, "has no Job for its migrations", id="no Job"),
        pytest.param({"shop.0002_drop": ("raw SQL",)}, "cannot be taken back:\n  shop.0002_drop", id="irreversible"),
    ],
)
def test_end_says_what_is_not_taken_back(
    rollout: Rollout, cluster: Cluster, irreversible: dict[str, tuple[str, ...]], reason: str
) -> None:
    """A killed release has removed something; the target is given up all the same, and the record says it."""
    names = ("shop.0001_initial", "shop.0002_drop")
    known = Migrations(
        heads={"shop": ("0002_drop",)},
        names=names,
        contracts={"shop.0002_drop": ("drops a column",)},
        irreversible=irreversible,
    )
    manifest = replace(MANIFEST, version="1.5.0", migrations=known)
    before = replace(SERVED, manifest=replace(MANIFEST, migrations=replace(known, names=names[:1])))
    left = replace(SERVED, number=2, manifest=manifest, is_verified=False, origin=2)
    rollout.store.releases = {1: before, 2: left}
    job = {"metadata": {"name": "shop-migrate-2"}, "status": {"succeeded": 1}}
    cluster.answers["kubectl get jobs"] = json.dumps({"items": [job]})
    cluster.answers["kubectl get pods"] = json.dumps(
        {"items": [{"metadata": {"name": "a"}, "status": {"phase": "Succeeded"}}]}
    )
    cluster.answers["kubectl logs a"] = "  Applying shop.0002_drop... OK\n"

    record = repairs.end(rollout)

    assert (record.result, reason in record.reason) == ("down", True), record.reason
    assert (rollout.store.releases, rollout.store.records()) == ({}, [record])


def test_schema_is_not_changed_for_an_image_that_is_lost(rollout: Rollout, cluster: Cluster) -> None:
    """The registry has forgotten the release before, which would never run again."""
    names = ("shop.0001_initial", "shop.0002_drop")
    known = Migrations(
        heads={"shop": ("0002_drop",)}, names=names, contracts={"shop.0002_drop": ("drops",)}, irreversible={}
    )
    before = replace(SERVED, manifest=replace(MANIFEST, migrations=replace(known, names=names[:1])))
    current = replace(SERVED, number=2, manifest=replace(MANIFEST, version="1.5.0", migrations=known), origin=2)
    rollout.store.releases, rollout.contract = {1: before, 2: current}, True
    asked = []

    def provide(manifest: ReleaseManifest) -> None:
        asked.append(manifest.version)
        raise TargetError("the registry has no image of it")

    rollout.provide = provide

    with pytest.raises(StrandedError, match="the registry has no image of it"):
        rollout.return_to(before, current)

    assert (asked, cluster.changes) == (["1.4.0"], [])


def test_way_back_without_a_change_of_the_schema_asks_no_registry(rollout: Rollout, cluster: Cluster) -> None:
    """The nodes may have the image, and a registry that is away holds nobody up."""
    rollout.provide = lambda manifest: pytest.fail(manifest.version)

    rollout.return_to(SERVED, replace(SERVED, number=2, origin=2))

    assert cluster.changes == ["rollback", "test"]


def test_failed_test_of_the_chart_says_what_it_has_found(cluster: Cluster, rollout: Rollout) -> None:
    """Helm names the pod alone, and its lines say which page failed."""
    cluster.answers["kubectl logs shop-smoke-2"] = "/readyz 200\n/ 500\n"
    said = "Error: resource Pod/shop/shop-smoke-2 not ready. status: Failed, message: pod shop-smoke-2 failed"

    def fail(argv: Sequence[str], *, poll: Callable[[], None]) -> Completed:
        del poll
        raise CommandError(argv, 1, said)

    with pytest.raises(DeployError) as caught:
        replace(rollout.helm, watched=fail).test(lambda: None)

    assert caught.value.message == f"helm test failed: {said.removeprefix('Error: ')}\n/readyz 200\n/ 500"


def test_way_back_that_was_interrupted_is_tried_again(rollout: Rollout, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C twice, of which the second ends the way back: nobody should deploy upon that."""

    def interrupt(*_: object, **__: object) -> NoReturn:
        raise KeyboardInterrupt

    for name in ("_apply", "_go_back"):
        monkeypatch.setattr(Rollout, name, interrupt)

    with pytest.raises(StrandedError, match="the way back failed: interrupted") as caught:
        upgrade(rollout)

    assert caught.value.hint == "invoke rollback --target production tries the way back again"
