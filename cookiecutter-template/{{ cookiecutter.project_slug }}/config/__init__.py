"""Settings, addresses and logging of {{ cookiecutter.project_name }}."""
