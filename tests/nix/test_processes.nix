{ lib }:
let
  plan =
    service: distributions:
    lib.processes.plan {
      inherit distributions;
      service = {
        asgi = "harbour.asgi:application";
        isAsgi = false;
        processes = { };
      }
      // service;
    };
in
{
  plan = {
    without-a-table-is-the-web = {
      expr = plan { } [ "gunicorn" ];
      expected = {
        names = [ "web" ];
        table = { };
      };
    };
    without-a-table-has-what-django-rq-runs = {
      expr = (plan { } [ "django-rq" "gunicorn" ]).names;
      expected = [
        "web"
        "worker"
        "scheduler"
      ];
    };
    serves-asgi-with-what-is-locked = {
      expr = map (names: (plan { isAsgi = true; } names).table.web.command) [
        [
          "daphne"
          "gunicorn"
        ]
        [
          "daphne"
          "uvicorn"
        ]
      ];
      expected = [
        [ "daphne" ]
        [ "uvicorn" ]
      ];
    };
    never-serves-asgi-as-wsgi = {
      expr = plan { isAsgi = true; } [ "gunicorn" ];
      expectedError = "the settings name the ASGI application harbour.asgi:application, but no ASGI server is locked; add uvicorn[standard] or daphne to the dependencies and run: invoke lock; or serve WSGI by [tool.estiba.processes] web = {command = ['gunicorn']}";
    };
    serves-wsgi-where-that-is-said = {
      expr = (plan {
        isAsgi = true;
        processes.web.command = [ "gunicorn" ];
      } [ "gunicorn" ]).table.web.command;
      expected = [ "gunicorn" ];
    };
    keeps-what-the-table-says-of-an-asgi-server = {
      expr =
        (plan {
          isAsgi = true;
          processes.web.concurrency = 3;
        } [ "uvicorn" ]).table.web;
      expected = {
        command = [ "uvicorn" ];
        concurrency = 3;
      };
    };
    table-is-the-whole-of-it-beside-the-web = {
      expr = plan { processes.beat.command = [ "celery" "beat" ]; } [
        "celery"
        "django-rq"
        "gunicorn"
      ];
      expected = {
        names = [
          "web"
          "beat"
        ];
        table = {
          web = { };
          beat.command = [
            "celery"
            "beat"
          ];
        };
      };
    };
    web-without-its-server-is-an-error = {
      expr = plan { } [ "uwsgi" ];
      expectedError = "the process web runs gunicorn, which is not locked; add it to the dependencies and run: invoke lock";
    };
    program-that-is-not-locked-is-an-error = {
      expr = plan { processes.jobs.command = [ "celery" "worker" ]; } [ "gunicorn" ];
      expectedError = "the process jobs runs celery, which is not locked; add it to the dependencies and run: invoke lock";
    };
  };
}
