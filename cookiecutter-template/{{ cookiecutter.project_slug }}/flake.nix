{
  description = "{{ cookiecutter.description }}";

  # The tasks replace this input by the Estiba that they come with.
  inputs.estiba.url = "{{ cookiecutter.estiba_url }}";

  outputs = { self, estiba }: estiba.lib.mkService { src = self; };
}
