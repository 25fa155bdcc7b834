os.environ["DJANGO_CONFIGURATION"] = "Production"
