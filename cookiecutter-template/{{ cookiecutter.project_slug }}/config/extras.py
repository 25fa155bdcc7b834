"""What is switched on by a variable and needs an extra of pyproject.toml; each is imported only then."""

from collections.abc import Mapping
from typing import Any

from config.environment import Environment
from config.logs import NAME, RELEASE


def start(env: Environment) -> None:
    """Start the agents that watch this process; they want to be there before Django is."""
    if env["NEW_RELIC_LICENSE_KEY"]:
        import newrelic.agent

        newrelic.agent.initialize()
    if env["SENTRY_DSN"]:
        import sentry_sdk

        sentry_sdk.init(dsn=env["SENTRY_DSN"], release=f"{NAME}@{RELEASE}", environment=env["ENVIRONMENT"])


def start_tracing(env: Environment) -> None:
    """Send traces to a collector; it adds a middleware, for which Django has to have read the settings."""
    if not env["OTEL_EXPORTER_OTLP_ENDPOINT"]:
        return
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.django import DjangoInstrumentor
    from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": NAME, "service.version": RELEASE}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    DjangoInstrumentor().instrument()
    PsycopgInstrumentor().instrument()


def media(env: Environment) -> dict[str, Any]:
    """Return where uploads go: a bucket, a container, or a folder."""
    if env["S3_BUCKET"]:
        options = {"bucket_name": env["S3_BUCKET"], "endpoint_url": env["S3_ENDPOINT_URL"], "file_overwrite": False}
        return {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
    if env["AZURE_CONTAINER"]:
        options = {
            "azure_container": env["AZURE_CONTAINER"],
            "connection_string": env["AZURE_CONNECTION_STRING"],
            "overwrite_files": False,
        }
        return {"BACKEND": "storages.backends.azure_storage.AzureStorage", "OPTIONS": options}
    return {"BACKEND": "django.core.files.storage.FileSystemStorage"}


def mail(env: Environment) -> dict[str, Any]:
    """Return the settings of mail: through Brevo, an SMTP server, or to the standard output.

    anymail is no app here: that has checks alone, for which every process would load an HTTP client when it starts.
    """
    if env["BREVO_API_KEY"]:
        backend = "anymail.backends.brevo.EmailBackend"
    else:
        backend = f"django.core.mail.backends.{'smtp' if env['EMAIL_HOST'] else 'console'}.EmailBackend"
    return {
        "EMAIL_BACKEND": backend,
        "EMAIL_HOST": env["EMAIL_HOST"] or "localhost",
        "EMAIL_PORT": env["EMAIL_PORT"],
        "EMAIL_TIMEOUT": 10,
        "ANYMAIL": {"BREVO_API_KEY": env["BREVO_API_KEY"]},
    }


def login(env: Environment) -> Mapping[str, Any]:
    """Return the settings of logging in by OpenID Connect, with the addresses that Keycloak's realms have."""
    if not env["OIDC_ISSUER"]:
        return {}
    base = f"{env['OIDC_ISSUER'].rstrip('/')}/protocol/openid-connect"
    return {
        "AUTHENTICATION_BACKENDS": [
            "django.contrib.auth.backends.ModelBackend",
            "mozilla_django_oidc.auth.OIDCAuthenticationBackend",
        ],
        "OIDC_RP_CLIENT_ID": env["OIDC_CLIENT_ID"],
        "OIDC_RP_CLIENT_SECRET": env["OIDC_CLIENT_SECRET"],
        "OIDC_RP_SIGN_ALGO": "RS256",
        "OIDC_OP_AUTHORIZATION_ENDPOINT": f"{base}/auth",
        "OIDC_OP_TOKEN_ENDPOINT": f"{base}/token",
        "OIDC_OP_USER_ENDPOINT": f"{base}/userinfo",
        "OIDC_OP_JWKS_ENDPOINT": f"{base}/certs",
        "LOGIN_URL": "oidc_authentication_init",
        "LOGIN_REDIRECT_URL": "/",
        "LOGOUT_REDIRECT_URL": "/",
    }
