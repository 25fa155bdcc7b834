"""The Helm chart, rendered by Helm for each scenario in `helm/django-service/ci`."""

from __future__ import annotations

import functools
import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

CHART = Path(__file__).parents[3] / "helm" / "django-service"
SCENARIOS = sorted(path.name.removesuffix("-values.yaml") for path in (CHART / "ci").glob("*-values.yaml"))
IMAGE = f"registry.example/team/shop@sha256:{'a' * 64}"
KINDS = ("Deployment", "Job", "Pod")


def helm(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run Helm on the chart."""
    return subprocess.run(["helm", *arguments], capture_output=True, text=True, check=check)


@functools.cache
def render(scenario: str, release: str = "shop", *options: str) -> list[dict[str, Any]]:
    """Return the objects of a scenario."""
    values = ["--values", str(CHART / "ci" / f"{scenario}-values.yaml")]
    done = helm("template", release, str(CHART), "--namespace", "shop", *values, *options)
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def named(scenario: str, kind: str, name: str) -> dict[str, Any]:
    """Return one object."""
    (found,) = [one for one in render(scenario) if one["kind"] == kind and one["metadata"]["name"] == name]
    return found


def pod_of(one: dict[str, Any]) -> dict[str, Any]:
    """Return the specification of an object's pods."""
    spec: dict[str, Any] = one["spec"]
    return spec if one["kind"] == "Pod" else spec["template"]["spec"]


def pods(scenario: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield name and specification of all pods."""
    for one in render(scenario):
        if one["kind"] in KINDS:
            yield f"{one['kind']} {one['metadata']['name']}", pod_of(one)


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all containers of a pod."""
    return [*pod.get("initContainers", ()), *pod["containers"]]


def is_hook(one: dict[str, Any]) -> bool:
    """Tell whether Helm runs an object apart from the release."""
    return "helm.sh/hook" in one["metadata"].get("annotations", {})


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario_has_no_findings(scenario: str) -> None:
    """Helm's linter, strictly, has nothing to say."""
    done = helm("lint", "--strict", str(CHART), "--values", str(CHART / "ci" / f"{scenario}-values.yaml"), check=False)

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_pods_are_restricted(scenario: str) -> None:
    """All pods pass the Pod Security Standard "restricted", write nowhere but to volumes, and have a memory limit."""
    for name, pod in pods(scenario):
        context = pod["securityContext"]
        assert context["runAsNonRoot"] is True, name
        assert context["runAsUser"] == 10001, name
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["automountServiceAccountToken"] is False, name
        for one in containers(pod):
            assert one["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name
            assert one["resources"]["limits"]["memory"], name


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_what_is_referred_to_is_there(scenario: str) -> None:
    """Names of volumes, ConfigMaps, claims, accounts and ports agree; hooks need nothing that comes after them."""
    objects = render(scenario)
    made = {(one["kind"], one["metadata"]["name"]) for one in objects}
    for one in objects:
        if one["kind"] not in KINDS:
            continue
        pod = pod_of(one)
        volumes = {volume["name"]: volume for volume in pod.get("volumes", ())}
        needed = {("ConfigMap", volume["configMap"]["name"]) for volume in volumes.values() if "configMap" in volume}
        if "serviceAccountName" in pod:
            needed.add(("ServiceAccount", pod["serviceAccountName"]))
        for container in containers(pod):
            assert {mount["name"] for mount in container.get("volumeMounts", ())} <= set(volumes)
            needed |= {
                ("ConfigMap", source["configMapRef"]["name"])
                for source in container.get("envFrom", ())
                if "configMapRef" in source
            }
        assert needed <= (set() if is_hook(one) else made), one["metadata"]["name"]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_services_lead_to_one_process(scenario: str) -> None:
    """A Service selects the pods of one Deployment, and its port is one of theirs."""
    deployments = [one for one in render(scenario) if one["kind"] == "Deployment"]
    for service in (one for one in render(scenario) if one["kind"] == "Service"):
        wanted = service["spec"]["selector"].items()
        (chosen,) = [one for one in deployments if wanted <= one["spec"]["template"]["metadata"]["labels"].items()]
        ports = {port["name"] for one in pod_of(chosen)["containers"] for port in one.get("ports", ())}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_secrets_are_only_referred_to(scenario: str) -> None:
    """The chart makes none: what it generated would be another one with each release."""
    assert [one["metadata"]["name"] for one in render(scenario) if one["kind"] == "Secret"] == []


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_longest_name_of_a_release_fits(scenario: str) -> None:
    """Helm takes 53 characters, and an object's name has 63."""
    names = {one["metadata"]["name"] for one in render(scenario, "r" * 53)}

    assert {name for name in names if len(name) > 63} == set()


def test_same_values_give_the_same_text() -> None:
    """Nothing is random and nothing is the time: a difference between two releases is a change."""
    arguments = ("template", "shop", str(CHART), "--values", str(CHART / "ci" / "production-values.yaml"))

    assert helm(*arguments).stdout == helm(*arguments).stdout


def test_image_is_named_by_its_digest() -> None:
    """A tag counts only where there is no digest."""
    images = {one["image"] for _, pod in pods("production") for one in containers(pod)}
    tagged = {one["image"] for _, pod in pods("default") for one in containers(pod)}

    assert images == {IMAGE}
    assert tagged == {"registry.example/team/shop:1.0"}


def test_autoscaler_keeps_its_number() -> None:
    """A release does not set the number of pods back that the autoscaler has chosen."""
    web, worker = (named("autoscaling", "Deployment", f"shop-{name}") for name in ("web", "worker"))

    assert "replicas" not in web["spec"]
    assert worker["spec"]["replicas"] == 1
    assert named("autoscaling", "HorizontalPodAutoscaler", "shop-web")["spec"]["minReplicas"] == 2


def test_processes_are_data() -> None:
    """Others come by their names, those of the template go by null, and each keeps the defaults that it leaves."""
    found = {one["metadata"]["name"]: one["spec"] for one in render("processes") if one["kind"] == "Deployment"}
    mails = found["shop-mails"]["template"]["spec"]

    assert set(found) == {"shop-admin", "shop-letters", "shop-mails", "shop-web"}
    assert found["shop-mails"]["replicas"] == 3
    assert mails["containers"][0]["args"] == ["worker", "mails"]
    assert {"name": "QUEUE", "value": "mails"} in mails["containers"][0]["env"]
    assert mails["terminationGracePeriodSeconds"] == 605
    assert "livenessProbe" not in mails["containers"][0]
    assert {"name": "PORT", "value": "8001"} in found["shop-admin"]["template"]["spec"]["containers"][0]["env"]


def test_process_without_a_port_is_ready_when_its_command_says_so() -> None:
    """The entry point runs the check, as it runs the process."""
    (container,) = named("processes", "Deployment", "shop-letters")["spec"]["template"]["spec"]["containers"]

    assert container["readinessProbe"]["exec"]["command"] == [
        "/opt/venv/bin/python",
        "/opt/estiba/entrypoint.py",
        "ready",
        "letters",
    ]


def test_scheduler_is_never_there_twice() -> None:
    """The old one ends before the new one starts, and is not spread or protected as if there were more."""
    scheduler = named("default", "Deployment", "shop-scheduler")["spec"]

    assert scheduler["strategy"] == {"type": "Recreate"}
    assert scheduler["replicas"] == 1
    assert [one["metadata"]["name"] for one in render("default") if one["kind"] == "PodDisruptionBudget"] == [
        "shop-web"
    ]


def test_no_request_is_lost_by_a_rollout() -> None:
    """New pods come first, and old ones answer for as long as requests still arrive."""
    web = named("production", "Deployment", "shop-web")["spec"]
    (container,) = web["template"]["spec"]["containers"]

    assert web["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    drain = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert web["template"]["spec"]["terminationGracePeriodSeconds"] > drain > 0
    assert container["readinessProbe"]["httpGet"]["httpHeaders"] == [{"name": "Host", "value": "shop.example"}]


def test_migrations_are_a_job_of_their_revision() -> None:
    """As a hook they have all that they need with them; as a Job of the release all pods wait for them."""
    hook = named("production", "Job", "shop-migrate-1")
    gated = named("external-secret", "Deployment", "shop-worker")["spec"]["template"]["spec"]

    assert hook["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    (container,) = pod_of(hook)["containers"]
    assert container["envFrom"] == [{"secretRef": {"name": "shop-env"}}]
    assert {"name": "ALLOWED_HOSTS", "value": "shop.example"} in container["env"]
    assert not is_hook(named("external-secret", "Job", "shop-migrate-1"))
    assert gated["initContainers"][0]["args"] == ["manage", "migrate", "--check"]
    assert {"secretRef": {"name": "shop-env"}} in gated["initContainers"][0]["envFrom"]
    assert [one for one in render("migrations-none") if one["kind"] == "Job"] == []


def test_static_files_come_from_the_sidecar() -> None:
    """The Service leads to nginx, and metrics are not what it hands out."""
    service = named("nginx", "Service", "shop-web")["spec"]["ports"]
    (config,) = named("nginx", "ConfigMap", "shop-nginx")["data"].values()

    assert {port["name"]: port["targetPort"] for port in service} == {"http": "nginx", "metrics": "http"}
    assert "location /static/ {" in config
    assert "location = /metrics {\n    return 404;" in config
    assert "client_max_body_size 100m;" in config
    assert "proxy_read_timeout 60s;" in config


def test_proxies_that_end_tls_are_believed() -> None:
    """Without the sidecar the web server reads who they are, and with it the sidecar alone, which it believes."""
    said = "127.0.0.1,::1,203.0.113.7,2001:db8::/32"
    (config,) = named("nginx", "ConfigMap", "shop-nginx")["data"].values()

    assert named("trusted-proxies", "ConfigMap", "shop-env")["data"]["FORWARDED_ALLOW_IPS"] == said
    assert "FORWARDED_ALLOW_IPS" not in (named("nginx", "ConfigMap", "shop-env")["data"] or {})
    assert "set_real_ip_from fc00::/7;" in config
    assert "proxy_set_header X-Forwarded-Proto $forwarded_proto;" in config


def test_uploads_outlive_the_release() -> None:
    """A claim of the chart's own stays when the release goes; one that exists is used."""
    claim = named("nginx", "PersistentVolumeClaim", "shop-media")
    volumes = named("media", "Deployment", "shop-web")["spec"]["template"]["spec"]["volumes"]

    assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    assert {"name": "media", "persistentVolumeClaim": {"claimName": "shop-uploads"}} in volumes
    assert [one for one in render("media") if one["kind"] == "PersistentVolumeClaim"] == []


def test_folders_of_data_have_one_claim() -> None:
    """Each has a folder of it, and begins with the image's files; migrations see a claim that is there before them."""
    pod = named("persist", "Deployment", "shop-web")["spec"]["template"]["spec"]
    (seed,) = pod["initContainers"]
    mounts = {one["mountPath"]: one.get("subPath") for one in pod["containers"][0]["volumeMounts"]}
    folders = {"/app/data": "app/data", "/var/lib/shop": "var/lib/shop"}

    assert mounts == {"/tmp": None, **folders}
    assert seed["args"][1:] == [word for one in folders for word in (one, f"/data/persist{one}")]
    assert named("persist", "PersistentVolumeClaim", "shop-persist")["spec"]["accessModes"] == ["ReadWriteMany"]
    for option, count in (("migrations.mode=hook", 1), ("migrations.mode=job", 3), ("persist.existingClaim=own", 3)):
        (job,) = [one for one in render("persist", "shop", "--set", option) if one["kind"] == "Job"]
        assert len(pod_of(job)["containers"][0]["volumeMounts"]) == count
        assert len(pod_of(job)["volumes"]) == min(count, 2)


@pytest.mark.parametrize("mode", ["hook", "job"])
def test_variables_may_refer_to_others(mode: str) -> None:
    """Kubernetes puts the value of a Secret's key in; what looks like its references is text; numbers are whole."""
    options = ("--set", f"migrations.mode={mode},env.LIMIT=10000000,env.DEBUG=false")
    objects = render("persist", "shop", *options)
    (job,) = [pod_of(one) for one in objects if one["kind"] == "Job"]
    (plain,) = [one["data"] for one in objects if one["metadata"]["name"] == "shop-env"]
    env = {one["name"]: one["value"] for one in job["containers"][0]["env"]}

    assert (env["CACHE_URL"], env["GREETING"]) == ("$(REDIS_URL)", "{NAME} $$(NAME)")
    assert {"CACHE_URL", "GREETING"}.isdisjoint(plain)
    assert (plain["LIMIT"], plain["DEBUG"]) == ("10000000", "false")
    assert mode == "job" or (env["LIMIT"], list(env)[-2:]) == ("10000000", ["CACHE_URL", "GREETING"])


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (["image.digest="], "/image/digest"),
        (["secrets.existing=null"], "/secrets"),
        (["hosts=null"], "hosts"),
        (["processes.web.replicas=1"], "/processes/web"),
        (["env.DEBUG=true"], "/env/DEBUG"),
        (["hosts[0]=*"], "/hosts/0"),
        (["replicaCount=2"], "replicaCount"),
        (["processes.web.replica=2"], "replica"),
        (["processes.Web.command[0]=web"], "Web"),
        (["image.digest=sha256:1"], "/image/digest"),
        (["secrets.external.enabled=true"], "/migrations/mode"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_production_is_held_to_its_rules(settings: list[str], problem: str) -> None:
    """What would be unsafe, or is not known, is refused before anything is sent to a cluster."""
    sets = [word for setting in settings for word in ("--set", setting)]
    values = ["--values", str(CHART / "ci" / "production-values.yaml")]
    done = helm("template", "shop", str(CHART), *values, *sets, check=False)

    assert done.returncode != 0
    assert problem in done.stderr


def test_static_files_are_copied_below_the_volume() -> None:
    """The volume's own folder belongs to root, and a copy of a folder takes its mode along."""
    pod = pod_of(named("nginx", "Deployment", "shop-web"))
    (copy,) = [one for one in pod["initContainers"] if one["name"] == "staticfiles"]
    server = named("nginx", "ConfigMap", "shop-nginx")["data"]["default.conf"]

    assert copy["command"][-1] == f"{copy['volumeMounts'][0]['mountPath']}/files"
    assert f"alias {copy['command'][-1]}/;" in server


EVIL = 'a: b # c\n  - "d: e'
NAME = "NO"
"""A name that YAML takes for false."""


def scalars(value: Any) -> Iterator[Any]:  # noqa: ANN401 - whatever YAML has
    """Yield all keys and scalars in a value."""
    if isinstance(value, dict | list):
        for one in [*value, *value.values()] if isinstance(value, dict) else value:
            yield from scalars(one)
    else:
        yield value


def test_text_in_values_stays_one_text(tmp_path: Path) -> None:
    """Whatever it holds, it adds no key and no object; a name stays a name."""
    found = [f"{number} {EVIL}" for number in range(11)]
    (tmp_path / "values.yaml").write_text(
        json.dumps(
            {
                "image": {"repository": "shop", "digest": IMAGE.partition("@")[2], "pullSecrets": [found[0]]},
                "hosts": [found[1]],
                "env": {NAME: found[2]},
                "secrets": {
                    "existing": [found[3]],
                    "external": {
                        "enabled": True,
                        "store": {"name": found[4]},
                        "refreshInterval": found[5],
                        "data": {NAME: {"key": found[6]}},
                    },
                },
                "processes": {"web": {"command": [found[7]], "env": {NAME: "1"}}, "no": {"command": ["true"]}},
                "migrations": {"mode": "job"},
                "static": {"mode": "nginx", "nginx": {"image": found[8]}},
                "media": {"path": "/a: #", "storageClassName": found[9], "size": "1Gi # x"},
                "ingress": {"enabled": True, "className": found[10], "tlsSecret": found[0]},
                "monitoring": {"serviceMonitor": {"enabled": True, "interval": found[1]}},
                "smoke": ['/a: #"b'],
            }
        )
    )
    done = helm("template", "shop", str(CHART), "--values", str(tmp_path / "values.yaml"))
    made = [one for one in yaml.safe_load_all(done.stdout) if one]

    texts = list(scalars(made))
    assert [one for one in [*found[2:], NAME, "/a: #", "1Gi # x", '/a: #"b'] if one not in texts] == []
    assert {False, True, "no"} & {one["metadata"]["labels"].get("app.kubernetes.io/component") for one in made} == {
        "no"
    }
    assert {one["apiVersion"].partition("/")[0] for one in made} <= {
        *("apps", "batch", "external-secrets.io", "monitoring.coreos.com", "networking.k8s.io", "policy", "v1"),
    }


@pytest.mark.parametrize(
    "values",
    [
        {"static": {"url": "/static/ { } location /x/"}},
        {"monitoring": {"path": "/metrics { } #"}},
        {"static": {"nginx": {"uploadLimit": "1g; }"}}},
        {"webProcess": "web\n  x: y"},
        {"trustedProxies": ["10.0.0.0/8; }"]},
    ],
)
def test_text_that_would_be_nginx_or_a_name_is_refused(values: dict[str, Any], tmp_path: Path) -> None:
    """The schema says what they may hold."""
    (tmp_path / "values.yaml").write_text(json.dumps(values))
    done = helm("template", "shop", str(CHART), "--values", str(tmp_path / "values.yaml"), check=False)

    assert done.returncode != 0
    assert "does not match pattern" in done.stderr
