{ lib }:
let
  plan = [
    {
      name = "django";
      distributions = [ "django" ];
    }
    {
      name = "images";
      distributions = [ "pillow" ];
    }
    {
      name = "small";
      distributions = [
        "asgiref"
        "sqlparse"
      ];
    }
  ];
  named = map (name: { inherit name; });
in
{
  assign = {
    follows-the-plan = {
      expr = lib.layers.assign plan (named [
        "sqlparse"
        "django"
        "asgiref"
      ]);
      expected = [
        {
          name = "django";
          members = named [ "django" ];
        }
        {
          name = "small";
          members = named [
            "asgiref"
            "sqlparse"
          ];
        }
      ];
    };
    without-distributions-there-are-no-layers = {
      expr = lib.layers.assign plan [ ];
      expected = [ ];
    };
    a-distribution-outside-the-plan-is-refused = {
      expr = lib.layers.assign plan (named [ "lxml" ]);
      expectedError = "estiba.lock has no layer for lxml; run: invoke lock";
    };
  };
}
