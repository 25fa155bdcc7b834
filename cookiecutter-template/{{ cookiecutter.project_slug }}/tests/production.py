"""Program: print what production is like, as JSON: settings, Django's own audit, and the headers of a page and a file.

Its standard output is that of a server which answers two requests: the log.
"""

import io
import json
import os
import sys

import django
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.templatetags.static import static
from django.test import Client

settings.STATIC_ROOT = os.environ["STATIC_ROOT"]
django.setup()
said = io.StringIO()
try:
    call_command("check", deploy=True, fail_level="WARNING", stdout=said)
except SystemCheckError as error:
    said.write(str(error))
client = Client(headers={"host": "shop.example", "x-forwarded-proto": "https"})
page, file, nothing = (client.get(path) for path in ("/api/docs/", static("site/site.css"), "/api/nothing/"))
found = {name: getattr(settings, name) for name in dir(settings) if name.isupper()}
found |= {"check": said.getvalue(), "status": [one.status_code for one in (page, file, nothing)]}
found |= {"headers": dict(page.headers), "file": dict(file.headers)}
json.dump(found, sys.stderr, default=str)
