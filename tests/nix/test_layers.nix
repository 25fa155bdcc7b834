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
  share =
    distributions:
    lib.layers.share {
      inherit distributions;
      build_distributions = [ ];
    };
  namesOf = builtins.mapAttrs (_: map (record: record.name));
in
{
  share = {
    small-wheels-by-their-names = {
      expr = namesOf (
        share [
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
      expr = share [
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
          share [
            (wheel "six" { })
            (wheel "six" { groups = [ "dev" ]; })
            (wheel "six" { platforms = [ "aarch64-linux" ]; })
          ]
        )
      );
      expected = 3;
    };
    what-builds-an-sdist-waits-for-no-wheels-of-tests = {
      expr = builtins.attrNames (
        lib.layers.share {
          distributions = [
            (wheel "six" { })
            (wheel "packaging" { groups = [ "dev" ]; })
            (wheel "pytz" { groups = [ "dev" ]; })
          ];
          build_distributions = map (name: wheel name { groups = [ "build" ]; }) [
            "six"
            "packaging"
          ];
        }
      );
      expected = [
        "dists-dev-3-x86_64-linux"
        "dists-runtime-4-x86_64-linux"
      ];
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
