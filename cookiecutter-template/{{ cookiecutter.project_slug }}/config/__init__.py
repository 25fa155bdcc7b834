"""Settings, addresses, logs and problems of {{ cookiecutter.project_name }}."""
