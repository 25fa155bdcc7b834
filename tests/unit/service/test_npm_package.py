from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.djangoproject import lay

from estiba.service import npm_package

if TYPE_CHECKING:
    from pathlib import Path


def package(**scripts: str) -> str:
    """Return a package.json."""
    return json.dumps({"scripts": scripts})


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"vite.config.js": "export default {}"}, ["web/dist"]),
        ({"vite.config.ts": 'build: { outDir: "../static/dist" }'}, ["static/dist"]),
        ({"vite.config.mjs": "root: 'src',\nbuild: { outDir: '../../static' }"}, ["static"]),
        ({"vite.config.js": "root: resolve(__dirname, './src'),\nbuild: { outDir: resolve('./x') }"}, []),
        (
            {"vite.config.js": "// outDir: 'old'\nbuild: { outDir: path.resolve(__dirname, '..', 'assets') }"},
            ["assets"],
        ),
        ({"vite.config.js": "build: { outDir: `${root}/dist` }"}, []),
        ({"vite.config.js": "build: { outDir: '/srv/dist' }"}, []),
        ({"vite.config.js": "build: { outDir: '../../elsewhere' }"}, []),
        (
            {"webpack.config.js": "output: { path: path.join(__dirname, '../shop', 'static'), publicPath: '/' }"},
            ["shop/static"],
        ),
        ({"webpack.config.js": "output: { path: path.resolve(__dirname, folder, 'static') }"}, []),
        ({"webpack/prod.config.js": "path: path.resolve(__dirname, '../../shop/bundles')"}, ["shop/bundles"]),
        ({"gulpfile.js": "gulp.dest('x')"}, []),
        (
            {"rollup.config.mjs": "output: { file: '../shop/static/b.js' }, path: 'x'", "../shop/static/a.css": ""},
            ["shop/static/b.js"],
        ),
        ({"rollup.config.mjs": "output: { file: '../shop/static/b.js' }"}, ["shop/static"]),
        ({"rollup.config.mjs": "output: { dir: '../shop/static' }"}, ["shop/static"]),
    ],
)
def test_output_is_what_a_bundler_is_told(tmp_path: Path, files: dict[str, str], expected: list[str]) -> None:
    """Where the configuration says it as a text, and not where it computes it."""
    lay(tmp_path, {"web/package.json": package(build="vite build")} | {f"web/{name}": files[name] for name in files})
    (found,) = npm_package.find(tmp_path)

    assert list(found.find_output()) == expected


@pytest.mark.parametrize(
    ("scripts", "expected"),
    [
        ({"build": "tailwindcss -i in.css -o ../static/site.css --minify"}, ["static/site.css"]),
        ({"build": "esbuild main.js --bundle --outfile=../static/a.js"}, ["static/a.js"]),
        (
            {"build": "npm run css && npm run js", "css": "x --output a.css", "js": "y --outdir b"},
            ["web/a.css", "web/b"],
        ),
        (
            {
                "build": "npm-run-all --print-label --parallel build:*",
                "build:css": "sass --no-source-map ./in:../static/css ./b.scss:../static/css/b.css",
                "build:js": "babel ./js --out-dir ../static/js",
                "watch:js": "babel ./js --out-dir elsewhere",
            },
            ["static/css", "static/js"],
        ),
        ({"build": "sass a.scss ../static/a.css --style=compressed && sass b.scss"}, ["static/a.css"]),
        ({"build": "sass --load-path node_modules a.scss ../static/a.css --style compressed"}, ["static/a.css"]),
        ({"build": "gulp"}, []),
        ({"build": "echo 'unclosed -o x"}, []),
    ],
)
def test_output_is_what_the_script_names(tmp_path: Path, scripts: dict[str, str], expected: list[str]) -> None:
    """Options of Tailwind, esbuild and others, also of scripts that it calls."""
    (found,) = npm_package.find(lay(tmp_path, {"web/package.json": package(**scripts)}))

    assert list(found.find_output()) == expected


def test_output_is_where_parcel_puts_its_targets(tmp_path: Path) -> None:
    """They are in package.json itself."""
    targets = {"styles": {"distDir": "./shop/dist"}, "site": {"distDir": "./shop/dist"}}
    text = json.dumps({"scripts": {"build": "parcel build"}, "targets": targets})
    (found,) = npm_package.find(lay(tmp_path, {"package.json": text}))

    assert found.find_output() == ("shop/dist",)


def test_packages_below_the_top_are_found(tmp_path: Path) -> None:
    """Those of others, and those without scripts, are not."""
    text = package(build="x")
    names = ("package.json", "theme/static_src/package.json", "web/package.json")
    others = ("node_modules/a/package.json", "web/node_modules/package.json", ".venv/x/package.json")
    lay(
        tmp_path,
        dict.fromkeys((*names, *others), text)
        | {"a/package.json": "{}", "b/package.json": "{", "c/package.json": "[]"},
    )

    assert [found.file for found in npm_package.find(tmp_path)] == [
        "package.json",
        "web/package.json",
        "theme/static_src/package.json",
    ]


@pytest.mark.parametrize("workspaces", [["./parts/*", "/x", 1], {"packages": ["parts/*"]}], ids=["npm", "yarn"])
def test_workspaces_belong_to_what_names_them(tmp_path: Path, workspaces: object) -> None:
    """Their scripts run by that of the package above, and write what it writes."""
    top = {"scripts": {"build": "npm run build -ws"}, "workspaces": workspaces}
    lay(
        tmp_path,
        {"web/package.json": json.dumps(top), "web/parts/a/package.json": package(build="x -o ../../../a.css")},
    )
    (found,) = npm_package.find(tmp_path)

    assert (found.file, found.find_output()) == ("web/package.json", ("a.css",))


def test_missing_output_is_told(tmp_path: Path) -> None:
    """Until it is there; a package that builds nothing is no front end."""
    lay(tmp_path, {"package.json": package(lint="x"), "web/package.json": package(build="x -o ../static/a.css")})
    before = npm_package.find_unbuilt(tmp_path)
    lay(tmp_path, {"static/a.css": ""})

    assert before == (
        "no build runs the script 'build' of web/package.json, and static/a.css is missing: set [tool.estiba.frontend]"
    )
    assert npm_package.find_unbuilt(tmp_path) == ""
