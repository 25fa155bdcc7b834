"""Refuse names that would make a service that cannot start."""

import keyword
import re
import sys
import zoneinfo

SLUG = {{ cookiecutter.project_slug | tojson }}
TIME_ZONE = {{ cookiecutter.time_zone | tojson }}
TEXTS = {
    "project_name": {{ cookiecutter.project_name | tojson }},
    "description": {{ cookiecutter.description | tojson }},
    "author": {{ cookiecutter.author | tojson }},
    "estiba_url": {{ cookiecutter.estiba_url | tojson }},
}
# Folders and modules of a service, then what its requirements are imported as, which it would hide.
TAKEN = {"config", "conftest", "estiba", "lending", "manage", "tasks", "test", "tests"} | set(
    """
    anymail asgiref auditlog azure boto3 botocore certifi cffi click corsheaders croniter cryptography csp dateutil
    dj_database_url django django_prometheus django_rq drf_spectacular drf_spectacular_sidecar ecs_logging et_xmlfile
    gunicorn idna inflection invoke jsonschema jwt mozilla_django_oidc newrelic openpyxl opentelemetry packaging
    prometheus_client psycopg psycopg_binary pytest pytest_cov pytest_django redis referencing requests rest_framework
    rest_framework_simplejwt rpds rq sentry_sdk sqlparse storages typing_extensions tzdata uritemplate urllib3 whitenoise
    yaml
    """.split()
)
LONGEST = 40

problems = []
if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", SLUG) or keyword.iskeyword(SLUG):
    problems.append(f"project_slug {SLUG!r} is no package name: use lower-case letters, digits and single underscores")
if len(SLUG) > LONGEST:
    problems.append(f"project_slug {SLUG!r} has more than {LONGEST} characters, too many for names in Kubernetes")
if SLUG in TAKEN or SLUG in sys.stdlib_module_names:
    problems.append(f"project_slug {SLUG!r} is the name of another package: choose one of your own")
if TIME_ZONE not in zoneinfo.available_timezones() | {"UTC"}:
    problems.append(f"time_zone {TIME_ZONE!r} is not in the time zone database: use a name such as Europe/Madrid")
for name, text in TEXTS.items():
    if not text.strip() or not text.isprintable() or set(text) & set("\"\\$"):
        problems.append(f"{name} {text!r} is unusable: write a line of text without double quotes, backslashes and $")
if problems:
    sys.exit("\n".join(problems))
