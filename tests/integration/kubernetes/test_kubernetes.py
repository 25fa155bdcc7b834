"""The sample service on a real cluster: deployed, changed, broken in every way, and taken back."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

import pytest
from tests.services import pods, processes

from estiba.demo import traffic
from estiba.errors import BusyError, ChoiceError, DeployError, RolledBackError, StrandedError, TargetError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cluster.cluster import Cluster
    from tests.services.pods import Pods

REMOVE = "migrations.RemoveField('product', 'note')"
ADD = "migrations.AddField('product', 'note', models.TextField(null=True))"
BROKEN = "\n\nraise RuntimeError('broken by the test')\n"


@pytest.fixture(scope="module")
def served(shop: Path, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pods]:
    """Deploy the sample service; in the end its secrets are in no evidence, no logbook, no object but the Secret."""
    with pods.made(shop, cluster, tmp_path_factory.mktemp("pods")) as site:
        site.write("1.0.0")
        site.run("deploy")
        yield site
        written = [path.read_text() for path in site.evidence()]
        written.append(site.kubectl("get", "configmaps,leases,deployments,jobs,events", "--output=yaml"))
        written.append(site.invoke("logbook.export", "--format=json").stdout)
        assert [one for one in written if pods.PASSWORD in one or pods.SECRET_KEY in one] == []


@pytest.fixture
def site(served: Pods) -> Iterator[Pods]:
    """Return the deployed service; what a test leaves in the sources is undone."""
    before = {path: path.read_bytes() for path in served.folder.rglob("*.py")}
    yield served
    for path in served.folder.rglob("*.py"):
        if path not in before:
            path.unlink()
    for path, content in before.items():
        path.write_bytes(content)


def version(site: Pods) -> str:
    """Return the version that is served and ready."""
    found = site.status()
    assert found["ready"], found
    return str(found["release"]["version"])


def append(site: Pods, name: str, text: str) -> None:
    """Add lines to a file of the service."""
    path = site.folder / name
    path.write_text(path.read_text() + text)


def test_release_is_served_and_served_again(site: Pods) -> None:
    """A second deployment changes nothing; a changed line and a rollback are revisions, and lose no request."""
    assert site.run("deploy")["result"] == "unchanged"

    site.write("1.1.0")
    with site.cluster.forward(site.namespace, "shop-web") as port, traffic.running(port) as seen:
        changed = site.run("deploy")
        back = site.run("rollback")

    assert (changed["result"], changed["migrations"]) == ("deployed", [])
    assert (back["result"], version(site)) == ("rolled back", "1.0.0")
    assert (seen.failed, seen.count > 500) == ({}, True)
    assert [one["name"].rsplit("-", 2)[0] for one in site.status()["workloads"]] == ["shop-web", "shop-web"]
    code, said = site.fail("rollback")
    assert (code, "no earlier release" in said) == (DeployError.exit_code, True)


def test_pods_that_crash_are_taken_back(site: Pods) -> None:
    """The release before is served again, and the evidence has what the pods have said."""
    site.write("1.2.0")
    append(site, "config/wsgi.py", BROKEN)

    code, said = site.fail("deploy")

    assert (code, version(site)) == (RolledBackError.exit_code, "1.0.0"), said
    assert "container web crashes" in said
    assert any("broken by the test" in path.read_text() for path in site.evidence())


def test_pods_that_never_get_ready_are_taken_back(site: Pods) -> None:
    """They are not waited for longer than the target's `ready-limit`, nor than the probe allows."""
    site.write("1.2.1")
    append(site, "catalog/views.py", "\n\ndef health(request):\n    raise RuntimeError\n")

    code, said = site.fail("deploy")

    assert (code, version(site)) == (RolledBackError.exit_code, "1.0.0"), said


def test_page_that_fails_in_the_smoke_test_is_taken_back(site: Pods) -> None:
    """The pods are ready, and the page is not: `helm test` finds it."""
    site.write("1.2.2")
    append(site, "catalog/views.py", "\n\ndef index(request):\n    raise RuntimeError\n")

    code, said = site.fail("deploy")

    assert (code, version(site)) == (RolledBackError.exit_code, "1.0.0"), said
    assert "helm test failed" in said
    assert "\n/ 500\n" in said


def test_migration_that_fails_changes_nothing(site: Pods) -> None:
    """Its last lines are in the message; the pods of before never stopped."""
    names = [one["name"] for one in site.status()["workloads"]]
    site.migrate("0002_broken", "migrations.RunSQL('select 1 / 0')")
    site.write("1.2.3")

    code, said = site.fail("deploy")

    assert (code, version(site)) == (RolledBackError.exit_code, "1.0.0"), said
    assert "division by zero" in said
    assert [one["name"] for one in site.status()["workloads"]] == names


def test_migration_that_hangs_is_ended(site: Pods) -> None:
    """Its time limit is that of the chart's values."""
    site.migrate("0002_slow", "migrations.RunSQL('select pg_sleep(300)')")
    site.write("1.2.4", migrations={"timeoutSeconds": 5})

    code, said = site.fail("deploy")

    assert (code, version(site)) == (RolledBackError.exit_code, "1.0.0"), said
    assert "did not end within 5 seconds" in said


def test_schema_comes_back_with_the_release(site: Pods) -> None:
    """What removes is asked for; taken back by a broken release, or by hand, the column is there again."""
    site.migrate("0002_note", ADD)
    site.write("2.0.0")
    assert site.run("deploy")["migrations"] == ["catalog.0002_note"]
    site.migrate("0003_no_note", REMOVE)
    site.write("2.1.0")
    code, said = site.fail("deploy")
    assert code == DeployError.exit_code
    assert "could not live with these migrations:\n  catalog.0003_no_note: drops catalog.product.note" in said

    views = (site.folder / "catalog/views.py").read_text()
    append(site, "catalog/views.py", "\n\ndef index(request):\n    raise RuntimeError\n")
    site.write("2.1.0")
    code, said = site.fail("deploy", "--contract")
    assert (code, version(site)) == (RolledBackError.exit_code, "2.0.0"), said
    assert "note" in site.columns()

    (site.folder / "catalog/views.py").write_text(views)
    site.write("2.1.1")
    assert site.run("deploy", "--contract")["contracts"] == ["catalog.0003_no_note: drops catalog.product.note"]
    assert "note" not in site.columns()
    code, said = site.fail("rollback")
    assert (code, "they are taken back: catalog to 0002_note" in said) == (DeployError.exit_code, True)
    assert site.run("rollback", "--contract")["result"] == "rolled back"
    assert (version(site), "note" in site.columns()) == ("2.0.0", True)


def test_what_cannot_be_taken_back_is_for_a_human(site: Pods) -> None:
    """The new release stays as it is, and the message names the migration and the backup."""
    site.migrate("0002_note", ADD)
    site.migrate("0003_gone", "migrations.RunSQL('alter table catalog_product drop column note')")
    site.write("3.0.0")
    append(site, "catalog/views.py", "\n\ndef index(request):\n    raise RuntimeError\n")

    code, said = site.fail("deploy", "--contract")

    assert code == StrandedError.exit_code, said
    assert "catalog.0003_gone" in said
    assert "backup" in said
    site.cluster.query("alter table catalog_product add column note text", site.namespace)
    site.cluster.query("delete from django_migrations where name = '0003_gone'", site.namespace)


def test_field_that_somebody_else_manages_is_named(site: Pods) -> None:
    """What an autoscaler has chosen is not silently set back, nor what somebody chose by `kubectl scale`."""
    site.migrate("0002_note", ADD)
    site.write("3.1.0")
    site.run("deploy")
    # Below its least number an autoscaler needs no metrics.
    site.kubectl("autoscale", "deployment/shop-web", "--min=3", "--max=3", "--cpu=90%")
    site.kubectl("wait", "deployment/shop-web", "--for=jsonpath={.spec.replicas}=3", "--timeout=120s")
    site.write("3.1.1")

    code, said = site.fail("deploy")

    assert code == TargetError.exit_code, said
    assert ".spec.replicas: managed by kube-controller-manager" in said
    site.kubectl("delete", "hpa/shop-web")
    site.kubectl("scale", "deployment/shop-web", "--replicas=2")


def test_killed_deployment_is_repaired_by_the_next(site: Pods) -> None:
    """The lock names its owner while it lives; afterwards Helm's pending revision is no obstacle."""
    site.migrate("0002_note", ADD)
    site.migrate("0003_slow", "migrations.RunSQL('select pg_sleep(20)', migrations.RunSQL.noop)")
    site.write("3.2.0")
    with site.start("deploy") as child:
        site.wait_for("pods", "--selector=app.kubernetes.io/component=migrate", "--field-selector=status.phase=Running")
        code, said = site.fail("deploy")
        assert (code, f"pid {child.pid}: deploy" in said) == (BusyError.exit_code, True), said
        os.killpg(child.pid, signal.SIGKILL)
    for helm in processes.find(f"helm upgrade.*{site.namespace}"):
        os.kill(helm, signal.SIGKILL)

    assert site.run("deploy")["result"] == "deployed"
    assert version(site) == "3.2.0"
    assert site.status()["notes"] == []


def test_version_that_is_not_kept_is_refused(site: Pods) -> None:
    """The kept ones are listed."""
    code, said = site.fail("rollback", "--to=9.9")

    assert code == ChoiceError.exit_code
    assert "1.0.0" in said


def test_pods_without_room_are_refused(site: Pods) -> None:
    """A full cluster, and a full quota, are found out before anything is changed, by name and size."""
    site.migrate("0002_note", ADD)
    site.migrate("0003_slow", "migrations.RunSQL('select 1', migrations.RunSQL.noop)")
    huge = {"requests": {"cpu": "500", "memory": "64Mi"}}
    site.write("3.3.0", processes={**pods.VALUES["processes"], "web": {"resources": huge}})  # type: ignore[dict-item]

    code, said = site.fail("deploy")

    assert code == TargetError.exit_code, said
    assert "no node has room for one more pod of deployment/shop-web: it requests 500.00 CPU" in said

    site.kubectl("create", "quota", "tight", "--hard=pods=2")
    site.wait_for("quota", "tight")
    site.write("3.3.0")
    code, said = site.fail("deploy")
    site.kubectl("delete", "quota", "tight")

    assert code == TargetError.exit_code, said
    assert "quota tight leaves 0 of pods, and the rollout needs 2" in said


def test_image_that_the_registry_lacks_is_taken_back(site: Pods) -> None:
    """The pods that wait for it are not waited for longer than a registry may be away."""
    before, absent = version(site), f"{site.cluster.registry}/absent@sha256:{'0' * 64}"
    site.migrate("0002_note", ADD)
    site.migrate("0003_slow", "migrations.RunSQL('select 1', migrations.RunSQL.noop)")
    site.write("3.3.1", static={"mode": "nginx", "nginx": {"image": absent}})

    code, said = site.fail("deploy")

    assert (code, version(site)) == (RolledBackError.exit_code, before), said
    assert absent in said
    assert "container nginx: " in said


def test_deployment_that_loses_its_lock_stops(site: Pods) -> None:
    """As on a machine that slept: Helm ends, nothing goes the way back, and the next holder repairs it."""
    before = version(site)
    site.migrate("0002_note", ADD)
    site.migrate("0003_slow", "migrations.RunSQL('select 1', migrations.RunSQL.noop)")
    site.migrate("0004_slower", "migrations.RunSQL('select pg_sleep(30)', migrations.RunSQL.noop)")
    site.write("3.4.0")
    with site.start("deploy") as child:
        site.wait_for("pods", "--selector=app.kubernetes.io/component=migrate", "--field-selector=status.phase=Running")
        site.hold("bo@elsewhere pid 7: deploy [-]")
        assert child.wait(timeout=120) == BusyError.exit_code
    assert site.history()[-1] in {"failed", "pending-upgrade"}
    code, said = site.fail("rollback")
    assert (code, "bo@elsewhere pid 7: deploy" in said) == (BusyError.exit_code, True), said

    site.hold("")
    assert site.run("rollback")["result"] == "rolled back"

    assert (version(site), site.status()["notes"]) == (before, [])


def test_management_command_runs_in_a_pod(site: Pods) -> None:
    """With its output and its exit code; and with a terminal, whose questions are answered."""
    words = ["--username=ana", "--email=ana@example.com"]
    done = site.manage("createsuperuser", "--noinput", *words)
    again = site.manage("createsuperuser", "--noinput", *words, check=False)
    assert "Superuser created" in done.stdout
    assert (again.returncode, "already taken" in again.stderr) == (1, True)

    said = site.answer(["createsuperuser", "--username=bo", "--email=bo@example.com"], pods.PASSWORD, pods.PASSWORD)

    assert "Superuser created" in said
    assert pods.PASSWORD not in said
    users = site.cluster.query("select username from auth_user where is_superuser order by 1", site.namespace)
    assert users.split() == ["ana", "bo"]


def test_first_release_that_fails_leaves_nothing(shop: Path, cluster: Cluster, tmp_path: Path) -> None:
    """There is no way back, so that what was installed goes, and the next one starts afresh."""
    with pods.made(shop, cluster, tmp_path) as site:
        site.write("1.0.0")
        append(site, "config/wsgi.py", BROKEN)
        code, said = site.fail("deploy")
        assert (code, "nothing is served" in said) == (DeployError.exit_code, True), said
        assert site.kubectl("get", "deployments", "-o", "name") == ""

        path = site.folder / "config/wsgi.py"
        path.write_text(path.read_text().removesuffix(BROKEN))
        site.write("1.0.1")
        assert site.run("deploy")["result"] == "deployed"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param({"server": "https://127.0.0.1:1"}, "cannot be reached", id="unreachable"),
        pytest.param({"token": "of-nobody"}, "does not let this account", id="unknown"),
        pytest.param({}, 'cannot get resource "configmaps"', id="forbidden"),
    ],
)
def test_cluster_that_refuses_is_one_error(change: dict[str, str], said: str, site: Pods, tmp_path: Path) -> None:
    """The message says which cluster, and the hint how to ask it."""
    known = json.loads(site.cluster.kubectl("config", "view", "--raw", "--output=json").stdout)
    known["clusters"][0]["cluster"] |= {key: value for key, value in change.items() if key == "server"}
    if "server" not in change:
        known["users"][0]["user"] = {"token": site.kubectl("create", "token", "default").strip(), **change}
    (tmp_path / "kubeconfig").write_text(json.dumps(known))
    text = (site.folder / "pyproject.toml").read_text()
    try:
        (site.folder / "pyproject.toml").write_text(
            text.replace(str(site.cluster.kubeconfig), str(tmp_path / "kubeconfig"))
        )
        code, shown = site.fail("status")
    finally:
        (site.folder / "pyproject.toml").write_text(text)

    assert (code, said in shown) == (TargetError.exit_code, True), shown
