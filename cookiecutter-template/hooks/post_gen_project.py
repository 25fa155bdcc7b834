"""Leave out the sample app where nobody wants it: a folder less, and nothing else names it."""

import shutil

SAMPLE = {{ cookiecutter.sample | tojson }}

if SAMPLE == "no":
    shutil.rmtree("lending")
