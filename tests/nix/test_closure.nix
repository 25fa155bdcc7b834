{ lib }:
let
  records = [
    {
      name = "python3";
      depends = [
        "libc6"
        "libssl3"
      ];
    }
    {
      name = "libssl3";
      depends = [ "libc6" ];
    }
    {
      name = "libc6";
      depends = [ ];
    }
    {
      name = "perl";
      depends = [ "perl-base" ];
    }
    {
      name = "chicken";
      depends = [ "egg" ];
      hatches = [ ];
    }
    {
      name = "egg";
      depends = [ "chicken" ];
      hatches = [ "chicken" ];
    }
  ];
  names = from: map (record: record.name) (lib.closure.of { inherit records from; });
in
{
  of = {
    follows-all-steps = {
      expr = names [ "python3" ];
      expected = [
        "libc6"
        "libssl3"
        "python3"
      ];
    };
    leaves-unknown-names-out = {
      expr = names [
        "perl"
        "no-such-package"
      ];
      expected = [ "perl" ];
    };
    ends-in-a-cycle = {
      expr = names [ "egg" ];
      expected = [
        "chicken"
        "egg"
      ];
    };
    follows-another-field = {
      expr = map (record: record.name) (
        lib.closure.of {
          records = builtins.filter (record: record ? hatches) records;
          from = [ "egg" ];
          field = "hatches";
        }
      );
      expected = [
        "chicken"
        "egg"
      ];
    };
    nothing-reaches-nothing = {
      expr = names [ ];
      expected = [ ];
    };
  };
}
