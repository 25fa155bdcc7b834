SECRET_KEY = "x"
WSGI_APPLICATION = "harbour.serving.application"
