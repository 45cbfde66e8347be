"""Scripts of pages: modules joined in the order of their imports, each in a scope of its own."""

import re
from pathlib import Path

import pytest

import convlens.report
from convlens.report.scripts import bundle, script, script_hash

MODULES = sorted((Path(convlens.report.__file__).parent / "templates" / "explain").glob("*.js"))
IMPORTED = re.compile(r'^import \{([^}]+)\} from "\./([\w.]+)";$', re.MULTILINE)


def written(folder: Path, **modules: str) -> Path:
    """The first of the modules, all written to the folder."""
    for name, source in modules.items():
        (folder / f"{name}.js").write_text(source, encoding="utf-8")
    return folder / f"{next(iter(modules))}.js"


def order(text: str) -> list[str]:
    return re.findall(r'^modules\["(.*)"\] = ', text, re.MULTILINE)


def test_a_module_comes_once_and_after_all_that_it_imports(tmp_path):
    entry = written(
        tmp_path,
        main='import { a } from "./a.js";\nimport {\n  b,\n  c,\n} from "./b.js";\na(b, c);\n',
        a='import { c } from "./c.js";\nexport function a() { return c; }\n',
        b='import { c } from "./c.js";\nexport const b = c;\n',
        c="export const c = 1;\nexport class d {}\n",
        unused="export const e = 1;\n",
    )
    assert order(bundle(entry)) == ["c.js", "a.js", "b.js", "main.js"]


def test_imports_and_exports_become_constants_and_results(tmp_path):
    entry = written(tmp_path, main='import { a } from "./a.js";\na();\n', a="export function a() {}\n")
    assert bundle(entry) == (
        '"use strict";\nconst modules = {};\n'
        'modules["a.js"] = (() => {\nfunction a() {}\nreturn { a };\n})();\n'
        'modules["main.js"] = (() => {\nconst { a } = modules["a.js"];\na();\nreturn {  };\n})();'
    )


def test_modules_that_import_each_other_are_refused(tmp_path):
    entry = written(
        tmp_path,
        main='import { a } from "./a.js";\n',
        a='import { b } from "./b.js";\nexport const a = 1;\n',
        b='import { a } from "./a.js";\nexport const b = 1;\n',
    )
    with pytest.raises(ValueError, match=re.escape("a.js → b.js → a.js")):
        bundle(entry)


@pytest.mark.parametrize(
    "line",
    [
        "export default 1;",
        "export { a };",
        "export let a = 1;",
        "  export const a = 1;",
        'export * from "./a.js";',
        'import a from "./a.js";',
        'import * as a from "./a.js";',
        'import { a as b } from "./a.js";',
        'import { a } from "../a.js";',
        "const a = '</script>';",
    ],
)
def test_what_cannot_be_joined_is_refused(tmp_path, line):
    entry = written(tmp_path, main=f"const z = 1;\n{line}\n", a="export const a = 1;\n")
    with pytest.raises(ValueError, match=re.escape(f"main.js: cannot join {line.strip()!r}")):
        bundle(entry)


def test_every_module_of_the_page_of_explain_is_in_its_script():
    assert sorted(order(script("explain/main.js"))) == [path.name for path in MODULES]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_every_export_is_imported_somewhere(path):
    exported = set(re.findall(r"^export (?:function|const|class) (\w+)", path.read_text(), re.MULTILINE))
    used = {
        name.strip()
        for other in MODULES
        for names, source in IMPORTED.findall(other.read_text())
        if source == path.name
        for name in names.split(",")
    }
    assert exported == used - {""}


def test_another_script_has_another_hash():
    assert script_hash("sort.js") == script_hash("sort.js") != script_hash("explain/main.js")
