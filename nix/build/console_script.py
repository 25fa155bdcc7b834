"""What an installed Estiba has as its console script, for a shell that runs it from source."""

from estiba.tasks.program import program

program.run()
