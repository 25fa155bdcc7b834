"""Program: entry point of an image with nginx, PostgreSQL and Redis, as the official images of each have one.

It prepares what its first argument needs as root, becomes a user without rights, and then the server. Variables and
folders are those that the official images document: POSTGRES_DB, POSTGRES_USER, POSTGRES_PASSWORD,
/var/lib/postgresql/data, /data and /etc/nginx/conf.d.
"""

import os
import subprocess
import sys
from pathlib import Path

USER = 65534
PASSWD = f"root:x:0:0::/:\nserver:x:{USER}:{USER}::/:\n"
NGINX = "events {}\nhttp { include /etc/nginx/mime.types; access_log /dev/stdout; include /etc/nginx/conf.d/*.conf; }\n"


def leave_root(folder: Path) -> None:
    """Become a user without rights, to whom a folder belongs."""
    folder.mkdir(parents=True, exist_ok=True)
    os.chown(folder, USER, USER)
    Path("/etc/passwd").write_text(PASSWD)
    Path("/tmp").chmod(0o1777)
    os.setgroups([])
    os.setgid(USER)
    os.setuid(USER)
    os.chdir(folder)


def start_postgres(options: list[str]) -> None:
    """Make the database on the first start, and serve it to whoever has the password."""
    data = Path("/var/lib/postgresql/data")
    leave_root(data)
    place = str(data / "pgdata")
    name = os.environ["POSTGRES_USER"]
    if not Path(place).exists():
        secret = Path("/tmp/secret")
        secret.write_text(os.environ["POSTGRES_PASSWORD"])
        initdb = ["initdb", "--pgdata", place, "--username", name, f"--pwfile={secret}", "--auth=scram-sha-256"]
        subprocess.run([*initdb, "--locale=C.UTF-8", "--encoding=UTF8"], check=True)
        with Path(place, "pg_hba.conf").open("a") as rules:
            rules.write("host all all all scram-sha-256\n")
        single = ["postgres", "--single", "-D", place, "postgres"]
        subprocess.run(single, input=f'CREATE DATABASE "{os.environ["POSTGRES_DB"]}"\n', text=True, check=True)
    settings = ["-c", "listen_addresses=*", "-c", "unix_socket_directories=/tmp", "-c", "jit=off"]
    os.execvp("postgres", ["postgres", "-D", place, *settings, *options])  # noqa: S606 - no shell


def start_redis(options: list[str]) -> None:
    """Serve what is in the folder."""
    leave_root(Path("/data"))
    os.execvp("redis-server", ["redis-server", *options, "--protected-mode", "no"])  # noqa: S606 - no shell


def start_nginx(_options: list[str]) -> None:
    """Serve what the mounted file says."""
    for folder in ("/var/log/nginx", "/var/lib/nginx", "/run"):
        Path(folder).mkdir(parents=True, exist_ok=True)
    Path("/etc/nginx/nginx.conf").write_text(NGINX)
    os.execvp("nginx", ["nginx", "-g", "daemon off; user root; error_log /dev/stderr;"])  # noqa: S606 - no shell


{"postgres": start_postgres, "redis-server": start_redis, "nginx": start_nginx}[sys.argv[1]](sys.argv[2:])
