"""Django's settings; what differs between places comes from the environment, as `env.schema.json` describes it."""

import os
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import dj_database_url
from csp.constants import NONE, SELF
from django.core.management.utils import get_random_secret_key

from config import extras
from config.environment import Environment
from config.logs import RELEASE

BASE_DIR = Path(__file__).resolve().parent.parent
env = Environment(os.environ)
env.check()
extras.start(env)

DEBUG = env["DEBUG"]
# Outside production a new one for each process will do.
SECRET_KEY = env["SECRET_KEY"] or get_random_secret_key()
ALLOWED_HOSTS = env["ALLOWED_HOSTS"]
CORS_ALLOWED_ORIGINS = env["CORS_ALLOWED_ORIGINS"]
CSRF_TRUSTED_ORIGINS = env["CSRF_TRUSTED_ORIGINS"]

# Every folder beside this one with an apps.py: a new app needs no line here.
LOCAL_APPS = sorted(path.parent.name for path in BASE_DIR.glob("*/apps.py"))
INSTALLED_APPS = [
    *LOCAL_APPS,
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "config.static.StaticFilesConfig",
    "corsheaders",
    "csp",
    "django_prometheus",
    "django_rq",
    "auditlog",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]
MIDDLEWARE = [
    "{{ cookiecutter.project_slug }}.health.HealthMiddleware",
    "config.logs.RequestMiddleware",
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "{{ cookiecutter.project_slug }}.audit.AuditMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASES = {
    "default": dj_database_url.parse(env["DATABASE_URL"], conn_max_age=env["DB_CONN_MAX_AGE"], conn_health_checks=True)
}
TIMESCALEDB = env["TIMESCALEDB"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"


def next_database(url: str, step: int) -> str:
    """Return the address of a later database of the same Redis."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    number = query.get("db") or (parts.path.strip("/") if parts.scheme != "unix" else "") or "0"
    return f"{url.partition('?')[0]}?{urlencode({**query, 'db': int(number) + step})}"


REDIS = "django.core.cache.backends.redis.RedisCache"
REDIS_URL = env["REDIS_URL"]
RQ_QUEUES = {"default": {"URL": REDIS_URL, "DEFAULT_TIMEOUT": 360}}
CACHES = {
    "default": {"BACKEND": REDIS, "LOCATION": env["CACHE_URL"] or next_database(REDIS_URL, 1)},
    "catalogue": {
        "BACKEND": REDIS,
        "LOCATION": env["CATALOGUE_CACHE_URL"] or next_database(REDIS_URL, 2),
        "TIMEOUT": 3600,
    },
}

AUTH_USER_MODEL = "{{ cookiecutter.project_slug }}.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "admin:login"

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework_simplejwt.authentication.JWTAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.LimitOffsetPagination",
    "PAGE_SIZE": 50,
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_THROTTLE_RATES": {"anon": "20/min"},
    "NUM_PROXIES": 1,
    "EXCEPTION_HANDLER": "config.problems.handle",
}
SIMPLE_JWT = {
    "SIGNING_KEY": env["JWT_SIGNING_KEY"] or SECRET_KEY,
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=15),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=1),
}
SPECTACULAR_SETTINGS = {
    "TITLE": "{{ cookiecutter.project_name }}",
    "DESCRIPTION": "{{ cookiecutter.description }}",
    "VERSION": RELEASE,
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
}
AUDITLOG_CID_GETTER = "config.logs.find_request"

# Each visitor's own, if it is one of these. `{{ cookiecutter.project_slug }}/locale` has the words.
LANGUAGES = [("en", "English"), ("es", "Español")]
LANGUAGE_CODE = env["LANGUAGE_CODE"]
TIME_ZONE = "{{ cookiecutter.time_zone }}"
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
# Pages name no others, so each file is in the image once and not twice.
WHITENOISE_KEEP_ONLY_HASHED_FILES = True
MEDIA_URL = "media/"
MEDIA_ROOT = env["MEDIA_ROOT"] or BASE_DIR / "media"
STORAGES = {
    "default": extras.media(env),
    "staticfiles": {"BACKEND": "config.static.Storage"},
}
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env["DEFAULT_FROM_EMAIL"]

# The proxy in front must set this header itself and drop what clients send.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = env["SSL_REDIRECT"] and not DEBUG
SECURE_HSTS_SECONDS = 0 if DEBUG else 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = not DEBUG
SECURE_HSTS_PRELOAD = not DEBUG
SESSION_COOKIE_SECURE = not DEBUG
CSRF_COOKIE_SECURE = not DEBUG
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "object-src": [NONE],
    }
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "config.logs.EcsFormatter"}},
    "handlers": {"stdout": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stdout"}},
    "root": {"handlers": ["stdout"], "level": env["LOG_LEVEL"]},
    "loggers": {name: {"handlers": [], "propagate": True} for name in ("django", "django.server", "rq.worker")},
}

globals().update(extras.mail(env), **extras.login(env))
