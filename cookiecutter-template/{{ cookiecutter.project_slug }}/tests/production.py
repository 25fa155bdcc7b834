"""Program: print what production is like, as JSON: settings, Django's own audit, and the headers of a page."""

import io
import json
import os
import sys

import django
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.test import Client

NAMES = [
    "CACHES",
    "CSRF_COOKIE_SECURE",
    "DEBUG",
    "EMAIL_BACKEND",
    "RQ_QUEUES",
    "SECURE_SSL_REDIRECT",
    "SESSION_COOKIE_SECURE",
    "SIMPLE_JWT",
    "STORAGES",
]

settings.STATIC_ROOT = os.environ["STATIC_ROOT"]
django.setup()
said = io.StringIO()
try:
    call_command("check", deploy=True, fail_level="WARNING", stdout=said)
except SystemCheckError as error:
    said.write(str(error))
page = Client(headers={"host": "shop.example", "x-forwarded-proto": "https"}).get("/api/docs/")
found = {name: getattr(settings, name) for name in NAMES}
found |= {"check": said.getvalue(), "status": page.status_code, "headers": dict(page.headers)}
json.dump(found, sys.stderr, default=str)
