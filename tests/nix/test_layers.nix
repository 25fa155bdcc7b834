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

  wheel = name: attributes: {
    inherit name;
    kind = "wheel";
    file = "${name}-1-py3-none-any.whl";
    size = 1000;
    groups = [ "runtime" ];
    platforms = [ "x86_64-linux" ];
  } // attributes;
  namesOf = builtins.mapAttrs (_: map (record: record.name));
in
{
  share = {
    small-wheels-by-their-names = {
      expr = namesOf (
        lib.layers.share [
          (wheel "asgiref" { })
          (wheel "six" { })
          (wheel "pytz" { })
        ]
      );
      expected = {
        dists-runtime-3-x86_64-linux = [
          "asgiref"
          "pytz"
        ];
        dists-runtime-4-x86_64-linux = [ "six" ];
      };
    };
    what-is-large-or-native-or-built-stays-alone = {
      expr = lib.layers.share [
        (wheel "django" { size = 8000000; })
        (wheel "cffi" { file = "cffi-2.1.1-cp313-cp313-manylinux_2_28_x86_64.whl"; })
        (wheel "docopt" {
          kind = "sdist";
          file = "docopt-0.6.2.tar.gz";
        })
      ];
      expected = { };
    };
    only-with-the-same-groups-and-platforms = {
      expr = builtins.length (
        builtins.attrNames (
          lib.layers.share [
            (wheel "six" { })
            (wheel "six" { groups = [ "dev" ]; })
            (wheel "six" { platforms = [ "aarch64-linux" ]; })
          ]
        )
      );
      expected = 3;
    };
  };
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
