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
TAKEN = {"config", "django", "estiba", "lending", "manage", "pytest", "rest_framework", "tasks", "test", "tests"}
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
