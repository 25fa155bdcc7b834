from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from estiba_runtime import commands, databases, servers, uploads
from estiba_runtime.cpus import count_workers, cpu_limit
from estiba_runtime.failure import EX_CONFIG, EX_USAGE, StartError, parse_number, redact

MANAGE = [sys.executable, "manage.py"]
SERVE = str(Path(commands.__file__).parents[1] / "serve.py")

# In the forms that cgroups(7) describes: version 2 with a namespace and without one (a systemd service), version 1
# under Docker without a namespace; the hybrid of both is recorded, without the other controllers.
V2_NAMESPACE = "0::/\n"
V2_SERVICE = "0::/system.slice/shop.service\n"
V1_DOCKER = "11:cpuset:/docker/4f2c\n4:cpu,cpuacct:/docker/4f2c\n1:name=systemd:/docker/4f2c\n"
HYBRID = "9:name=systemd:/\n3:cpuset:/\n1:cpu:/\n0::/\n"


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run every test in a folder without a configuration of gunicorn, on a machine with many CPUs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(64)))


def write(root: Path, files: dict[str, str]) -> Path:
    """Write the files of a machine under `root`."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        pytest.param(V2_NAMESPACE, {"cpu.max": "150000 100000\n"}, 1.5, id="v2"),
        pytest.param(V2_NAMESPACE, {"cpu.max": "max 100000\n"}, 64, id="v2 without a limit"),
        pytest.param(V2_NAMESPACE, {}, 64, id="v2, top group has no file"),
        pytest.param(
            V2_SERVICE,
            {"system.slice/cpu.max": "50000 100000\n", "system.slice/shop.service/cpu.max": "max 100000\n"},
            0.5,
            id="v2, the limit of a group around it",
        ),
        pytest.param(
            V1_DOCKER,
            {"cpu,cpuacct/cpu.cfs_quota_us": "300000\n", "cpu,cpuacct/cpu.cfs_period_us": "100000\n"},
            3,
            id="v1, host's path, container's mount",
        ),
        pytest.param(
            HYBRID,
            {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n", "unified/cgroup.procs": "1\n"},
            64,
            id="hybrid without a limit",
        ),
        pytest.param(HYBRID, {"unified/cpu.max": "200000 100000\n"}, 2, id="hybrid, limit in v2"),
        pytest.param("0::/../other\n", {"cpu.max": "200000 100000\n"}, 2, id="outside its namespace"),
    ],
)
def test_cpu_limit_is_the_smallest_quota(tmp_path: Path, groups: str, files: dict[str, str], expected: float) -> None:
    """The quota is found in both versions of control groups, in the process's own group and those around it."""
    mounted = {f"sys/fs/cgroup/{name}": text for name, text in files.items()}

    assert cpu_limit(write(tmp_path, {"proc/self/cgroup": groups, **mounted})) == expected


def test_cpu_limit_without_control_groups(tmp_path: Path) -> None:
    """A machine without control groups gives the CPUs of the affinity mask."""
    assert cpu_limit(tmp_path) == 64


@pytest.mark.parametrize(("cpus", "workers"), [(0.1, 2), (2.0, 2), (2.5, 3), (64.0, 16)])
def test_workers_follow_the_cpus(cpus: float, workers: int) -> None:
    """There is one worker per CPU begun, at least two, and no more than a large host needs."""
    assert count_workers(cpus) == workers


def test_web_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gunicorn gets threads, a heartbeat in memory, a port and workers by the CPUs, all through its environment."""
    monkeypatch.setattr(servers, "cpu_limit", lambda: 3.0)
    env = {"ESTIBA_WSGI": "config.wsgi:application"}

    argv = servers.gunicorn(["--log-level", "debug"], env)

    assert argv == [sys.executable, "-P", SERVE, "gunicorn", "config.wsgi:application", "--log-level", "debug"]
    assert env["PORT"] == "8000"
    assert env["WEB_CONCURRENCY"] == "3"
    assert env["GUNICORN_CMD_ARGS"] == (
        "--worker-class=gthread --threads=4 --graceful-timeout=25 --worker-tmp-dir=/dev/shm"
    )


def test_web_is_overridden_by_the_environment() -> None:
    """What the operator sets stays, and his gunicorn arguments come after the defaults, where they win."""
    env = {
        "ESTIBA_WSGI": "config.wsgi:application",
        "PORT": "9000",
        "WEB_CONCURRENCY": "7",
        "GUNICORN_THREADS": "2",
        "GUNICORN_CMD_ARGS": "--threads 9",
    }

    servers.gunicorn([], env)

    assert (env["PORT"], env["WEB_CONCURRENCY"]) == ("9000", "7")
    assert env["GUNICORN_CMD_ARGS"].endswith("--threads=2 --graceful-timeout=25 --worker-tmp-dir=/dev/shm --threads 9")


@pytest.mark.parametrize(("version", "left"), [("23.0.0", "127.0.0.1,::1"), ("24.1.1", "127.0.0.1,::1,10.0.0.0/8")])
def test_networks_of_proxies_end_no_older_gunicorn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, version: str, left: str
) -> None:
    """One that takes addresses alone gets those, and what else helps is said."""
    info = tmp_path / f"gunicorn-{version}.dist-info"
    write(tmp_path, {"gunicorn/__init__.py": "", f"{info.name}/METADATA": f"Name: gunicorn\nVersion: {version}\n"})
    monkeypatch.syspath_prepend(str(tmp_path))
    env = {"ESTIBA_WSGI": "config.wsgi:application", "FORWARDED_ALLOW_IPS": "127.0.0.1,::1,10.0.0.0/8"}

    servers.gunicorn([], env)

    assert env["FORWARDED_ALLOW_IPS"] == left
    assert ("gunicorn 23.0.0 believes no networks" in capsys.readouterr().err) is (version == "23.0.0")


@pytest.mark.parametrize("where", ["file", "argument", "environment"])
def test_web_leaves_a_configuration_file_alone(tmp_path: Path, where: str) -> None:
    """A service that configures gunicorn itself gets no options that would beat its file."""
    env = {"ESTIBA_WSGI": "config.wsgi:application", "GUNICORN_CMD_ARGS": ""}
    arguments = ["--config=web.py"] if where == "argument" else []
    if where == "file":
        (tmp_path / "gunicorn.conf.py").touch()
    if where == "environment":
        env["GUNICORN_CMD_ARGS"] = "-c web.py"
    before = env["GUNICORN_CMD_ARGS"]

    servers.gunicorn(arguments, env)

    assert env["GUNICORN_CMD_ARGS"] == before


@pytest.mark.parametrize("given", ["", "/srv/metrics"], ids=["own", "given"])
def test_workers_count_together(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: str) -> None:
    """Where a service has Prometheus' client, its workers write into one folder, so that a scrape sees all of them."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name == "prometheus_client")
    monkeypatch.setattr(servers, "SHM", str(tmp_path))
    chosen = {"PROMETHEUS_MULTIPROC_DIR": given} if given else {}
    env = {"ESTIBA_WSGI": "config.wsgi:application", **chosen}

    servers.gunicorn([], env)

    made = Path(env["PROMETHEUS_MULTIPROC_DIR"])
    assert str(made) == given or (made.is_dir() and made.parent == tmp_path)


def test_folders_of_ended_servers_are_removed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One that a server still has is not: it holds a lock."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name == "prometheus_client")
    monkeypatch.setattr(servers, "SHM", str(tmp_path))
    ended = tmp_path / "estiba-prometheus-ended"
    ended.mkdir()
    for name in ("lock", "counter_1.db"):
        (ended / name).touch()
    first, second = {"ESTIBA_WSGI": "config.wsgi:application"}, {"ESTIBA_WSGI": "config.wsgi:application"}

    servers.gunicorn([], first)
    servers.gunicorn([], second)

    kept = sorted(Path(env["PROMETHEUS_MULTIPROC_DIR"]) for env in (first, second))
    assert sorted(tmp_path.glob("estiba-prometheus-*")) == kept
    assert len(kept) == 2


def test_web_needs_an_application() -> None:
    """Without ESTIBA_WSGI the error says what to set."""
    with pytest.raises(StartError, match="ESTIBA_WSGI is not set") as raised:
        servers.gunicorn([], {})

    assert raised.value.code == EX_CONFIG


@pytest.mark.parametrize(
    ("arguments", "env", "expected"),
    [
        ([], {}, ["rqworker"]),
        ([], {"RQ_QUEUES": "high, default"}, ["rqworker", "high", "default"]),
        (["--burst", "low"], {"RQ_QUEUES": "high"}, ["rqworker", "--burst", "low"]),
    ],
)
def test_worker(arguments: list[str], env: dict[str, str], expected: list[str]) -> None:
    """Arguments replace the queues of the environment."""
    assert commands.worker_command(arguments, env) == [*MANAGE, *expected]


@pytest.mark.parametrize(
    ("arguments", "env", "installed", "expected"),
    [
        ([], {}, set(), ["rqworker", "--with-scheduler"]),
        ([], {"RQ_QUEUES": "high low"}, {"rqcron"}, ["rqworker", "--with-scheduler", "high", "low"]),
        ([], {}, {"rqcron", "rqscheduler"}, ["rqscheduler"]),
        (["--interval", "5"], {}, {"rqscheduler"}, ["rqscheduler", "--interval", "5"]),
        ([], {"RQ_CRON": "shop.cron"}, {"rqcron", "rqscheduler"}, ["rqcron", "shop.cron"]),
        (["shop.cron"], {"RQ_CRON": "other"}, {"rqcron"}, ["rqcron", "shop.cron"]),
    ],
)
def test_scheduler(arguments: list[str], env: dict[str, str], installed: set[str], expected: list[str]) -> None:
    """Cron jobs are run where they are named; else the separate scheduler, else the one built into the worker."""
    assert commands.scheduler_command(arguments, env, has=installed.__contains__) == [*MANAGE, *expected]


def test_scheduler_without_rqcron() -> None:
    """Cron jobs with a django-rq that cannot run them are an error that says so."""
    with pytest.raises(StartError, match="django-rq has no rqcron") as raised:
        commands.scheduler_command([], {"RQ_CRON": "shop.cron"}, has=lambda _command: False)

    assert raised.value.code == EX_CONFIG


def test_scheduler_commands_are_found_by_their_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """django-rq is looked at without importing it, and rqscheduler counts only with the package that it needs."""
    write(tmp_path, {f"django_rq/management/commands/{name}.py": "" for name in ("rqcron", "rqscheduler")})
    write(tmp_path, {"django_rq/__init__.py": "raise ImportError"})
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "django_rq", raising=False)

    found = [commands.has_scheduler(name) for name in ("rqcron", "rqscheduler", "rqworker")]
    write(tmp_path, {"rq_scheduler/__init__.py": ""})

    assert found == [True, False, False]
    assert commands.has_scheduler("rqscheduler")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [([], "default"), (["--database", "log"], "log"), (["shop", "--database=log"], "log"), (["--database"], "default")],
)
def test_migrate_locks_the_database_that_it_works_on(arguments: list[str], expected: str) -> None:
    """The alias is the one that the arguments name."""
    assert commands._database(arguments) == expected


@pytest.mark.parametrize(
    ("engine", "name", "lost"),
    [
        ("django.db.backends.sqlite3", "db.sqlite3", "{folder}/db.sqlite3"),
        ("django.contrib.gis.db.backends.spatialite", "file:new/db?mode=rwc", "{folder}/new/db"),
        ("django.db.backends.sqlite3", ":memory:", "memory"),
        ("django.db.backends.sqlite3", "/dev/shm/db.sqlite3", ""),
        ("django.db.backends.postgresql", "app", ""),
    ],
    ids=["file", "uri", "memory", "volume", "server"],
)
def test_lost_databases_are_known(tmp_path: Path, engine: str, name: str, lost: str) -> None:
    """A database in the image's own file system ends with its process, one on a volume or a server does not."""
    assert databases.find_loss({"ENGINE": engine, "NAME": name}, tmp_path) == lost.format(folder=tmp_path)


def test_prepare_gives_a_home_and_the_import_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user without a home gets a writable one, and the folder of manage.py comes before the working one."""
    monkeypatch.setattr(sys, "path", [])
    env = {"ESTIBA_MANAGE": "source/manage.py", "HOME": "/nonexistent", "PYTHONPATH": "/more", "TMPDIR": str(tmp_path)}

    commands.prepare(env)

    folder = str(tmp_path / "source")
    assert env["HOME"] == str(tmp_path)
    assert env["PYTHONPATH"] == f"{folder}:{tmp_path}:/more"
    assert sys.path == [folder, str(tmp_path)]


@pytest.mark.parametrize(
    ("writable", "temporary", "home"),
    [
        pytest.param(["/tmp", "/dev/shm"], None, "/tmp", id="no home"),
        pytest.param(["/dev/shm"], "/dev/shm", "/dev/shm", id="read-only root without /tmp"),
        pytest.param(["/tmp", "/home/app"], None, "/home/app", id="a home"),
    ],
)
def test_prepare_finds_what_is_writable(
    writable: list[str], temporary: str | None, home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Temporary files and a home have a place in every root that has any."""
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(servers, "is_writable", writable.__contains__)
    env = {"HOME": "/home/app"}

    commands.prepare(env)

    assert (env.get("TMPDIR"), env["HOME"]) == (temporary, home)


@pytest.mark.parametrize(("argv", "problem"), [([], "no command"), (["bash"], "unknown command: bash")])
def test_unknown_command_lists_the_commands(
    argv: list[str], problem: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anything else is an error with the list of commands."""
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(signal, "signal", lambda *_: None)

    assert commands.main(argv, {}) == EX_USAGE
    assert capsys.readouterr().err == f"estiba: {problem}\n{commands.USAGE}\n"


@pytest.mark.parametrize("text", ["soon", "-1", "inf", "nan"])
def test_numbers_are_checked(text: str) -> None:
    """A limit that is no number is an error that names the variable."""
    with pytest.raises(StartError, match=f"^DB_WAIT_TIMEOUT must be a number of at least 0, not '{text}'$"):
        parse_number({"DB_WAIT_TIMEOUT": text}, "DB_WAIT_TIMEOUT", 60)


def test_redact() -> None:
    """Neither passwords nor the user part of a URL get into a message."""
    text = "cannot parse postgres://shop:hunter2@db:x/shop; password letmein"

    assert redact(text, ["letmein", ""]) == "cannot parse postgres://***@db:x/shop; password ***"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(["shop", "0002"], ["shop", "0002"], id="way-back"),
        pytest.param(["--database", "other", "shop", "zero", "-v", "2"], ["shop", "zero"], id="options"),
        pytest.param(["--database=other", "shop"], ["shop"], id="joined"),
        pytest.param([], [], id="none"),
    ],
)
def test_target_of_migrate_is_told_from_its_options(arguments: list[str], expected: list[str]) -> None:
    """As Django's argument parser does."""
    assert commands._words(arguments) == expected


@pytest.mark.parametrize(
    ("code", "env", "expected"),
    [(0, {}, 0), (1, {}, 74), (1, {"ESTIBA_STATIC": "0"}, 0)],
    ids=["done", "failed", "own"],
)
def test_files_for_another_machine_are_uploaded(
    monkeypatch: pytest.MonkeyPatch, code: int, env: dict[str, str], expected: int
) -> None:
    """By `collectstatic`, whose failure has a code of its own; not where the service collects none."""
    ran: list[list[str]] = []

    def run(command: list[str], *_: object) -> int:
        ran.append(command)
        return code

    monkeypatch.setattr(commands, "_run_child", run)
    monkeypatch.setattr(uploads, "find_storage", lambda: "storages.backends.s3.S3Storage")

    assert commands.upload(env) == expected
    assert [command[-2:] for command in ran] == ([] if env else [["collectstatic", "--noinput"]])
