let
  allowed = "[0-9A-Za-z+._?=-]";
in
{
  /**
    A file name with the characters that a store name may not have replaced by `_`. The same rule as
    `estiba.nix.store_path.store_name`; both are tested with the same examples.

    # Example
    ```nix
    storeName.of "login.defs_1%3a4.17.4-2_all.deb"
    => "login.defs_1_3a4.17.4-2_all.deb"
    ```

    # Type
    ```
    of :: String -> String
    ```

    # Arguments
    - file: a file name
  */
  of =
    file:
    let
      plain = builtins.match "${allowed}+" file != null;
      pieces = builtins.split "[^0-9A-Za-z+._?=-]" file;
      cleaned = builtins.concatStringsSep "_" (builtins.filter builtins.isString pieces);
      name = if plain then file else cleaned;
    in
    if builtins.substring 0 1 name == "." then
      "_" + builtins.substring 1 (builtins.stringLength name) name
    else
      name;
}
