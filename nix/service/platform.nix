/**
  One platform's part of an image: its layers, lowest first, and its bills of materials.

  # Arguments
  - lib: the library of pure functions
  - service: its settings
  - lock: its lock
  - platform: the platform of the image, which need not be the one that builds
  - native: whether it is
  - scope: the building platform's derivations
  - describe: a layer's description from its name and contents
  - frame: the entry point and the frame of the Python environment
  - application: the service's own files, and its static files
  - wheelFor: unpacks a distribution for this platform
  - bytecode: the interpreter with the bytecode of the standard library
  - extraContents: store paths to add with all that they refer to
*/
{
  lib,
  service,
  lock,
  platform,
  native,
  scope,
  describe,
  frame,
  application,
  wheelFor,
  bytecode,
  extraContents,
}:
let
  inherit (lib.lock) debs distributions;
  inherit (scope) debian image layer;

  base = debs lock platform [ "base" ];
  added = builtins.filter (deb: !builtins.elem "base" deb.groups) (debs lock platform [ "service" ]);
  runtime = distributions lock platform [ "runtime" ];

  titles = map (record: "${record.name} ${record.version}");

  pythonLayer =
    { name, members }:
    layer.ofTrees {
      sources = map wheelFor members;
      layer = describe "python-${name}" (titles members);
    };

  root = debian.root {
    tree = native;
    missingLibraries = builtins.filter (name: service.missing-libraries.${name} == "allow") (
      builtins.attrNames service.missing-libraries
    );
    layers = {
      base = {
        debs = base;
        base = true;
        layer = describe "debian" (titles base);
      };
    }
    // (
      if added == [ ] then
        { }
      else
        {
          service = {
            debs = added;
            base = false;
            layer = describe "debian-service" (titles added);
          };
        }
    );
  };
in
{
  name = platform;
  inherit (lib.platform.of platform) oci;
  inherit root;
  layers = [ root.base ]
  ++ (if added == [ ] then [ ] else [ root.service ])
  ++ [
    (debian.bytecodeLayer {
      inherit (root) sources;
      inherit bytecode;
      layer = describe "bytecode" [ "bytecode of Python ${lock.python}'s standard library" ];
    })
    (layer.ofTrees {
      sources = [ frame ];
      layer = describe "runtime" [ "entry point" ];
    })
  ]
  ++ (
    if extraContents == [ ] then
      [ ]
    else
      [
        (layer.ofClosure {
          paths = extraContents;
          layer = describe "extra" (map (path: builtins.substring 33 (-1) (baseNameOf path)) extraContents);
        })
      ]
  )
  ++ map pythonLayer (lib.layers.assign lock.layers runtime)
  ++ (if service.static then [ application.static_layer ] else [ ])
  ++ [ application.layer ];

  sbom = image.sbom {
    inherit (service) name version;
    inherit platform;
    inherit (lock.debian) suite;
    debs = base ++ added;
    distributions = runtime;
    descriptions = builtins.listToAttrs (
      map (record: {
        inherit (record) name;
        value = wheelFor record;
      }) runtime
    );
  };
}
