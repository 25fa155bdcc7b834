"""Settings of all environments."""

ASGI_APPLICATION = "harbour.routing.application"
WSGI_APPLICATION = "harbour.serving.application"
