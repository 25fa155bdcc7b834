os.environ.setdefault("DJANGO_SETTINGS_MODULE", "harbour.settings")
os.environ.setdefault(
    "DJANGO_CONFIGURATION",
    "Harbour",
)
