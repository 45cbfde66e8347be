"""The scripts of the pages: modules of JavaScript, joined to one text that a page carries and allows by its hash.

The sources are ES modules, so that linters and editors know what each of them takes and gives. A page is one file,
and its Content-Security-Policy allows one script and no request, so there is no loader at run time: each module
becomes a function that is called once, in an order in which no module comes before those that it imports.

    import { a, b } from "./c.js";        const { a, b } = modules["c.js"];
    export function d() { ...             function d() { ... and, at the end, return { d };

Other forms of import and export are refused.
"""

import base64
import hashlib
import re
from pathlib import Path

import markupsafe

_TEMPLATES = Path(__file__).parent / "templates"
_IMPORT = re.compile(r'^import (\{\s*\w+(?:,\s*\w+)*,?\s*\}) from "\./([\w.]+)";$', re.MULTILINE)
_EXPORT = re.compile(r"^export ((?:(?:async )?function|const|class) (\w+))", re.MULTILINE)
_OTHER_FORM = re.compile(r"^\s*(?:import|export)\b.*|.*</script.*", re.MULTILINE | re.IGNORECASE)


def script(name: str) -> markupsafe.Markup:
    """The script that starts at this file of the templates, to stand in a page as it is."""
    return markupsafe.Markup(bundle(_TEMPLATES / name))


def script_hash(name: str) -> str:
    """By which a Content-Security-Policy allows that script and no other."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script(name).encode()).digest()).decode()


def bundle(entry: Path) -> str:
    """The module and all that it imports, from the same folder, as one classic script.

    Raises ValueError for modules that import each other in a circle, and for a form of import or export that is not
    understood.
    """
    modules = (_enclosed(path) for path in _in_order(entry))
    return "\n".join(['"use strict";', "const modules = {};", *modules])


def _in_order(entry: Path) -> list[Path]:
    """The module and all that it imports, each after its own imports."""
    done: dict[Path, None] = {}

    def visit(path: Path, importers: tuple[Path, ...]) -> None:
        if path in importers:
            circle = " → ".join(each.name for each in (*importers[importers.index(path) :], path))
            raise ValueError(f"modules import each other: {circle}; move what both need to a module of its own")
        if path in done:
            return
        for _, imported in _IMPORT.findall(path.read_text(encoding="utf-8")):
            visit(path.with_name(imported), (*importers, path))
        done[path] = None

    visit(entry, ())
    return list(done)


def _enclosed(path: Path) -> str:
    """The module as a function of its own scope, called at once, whose result is what it exports."""
    source = path.read_text(encoding="utf-8")
    exported = ", ".join(name for _, name in _EXPORT.findall(source))
    body = _EXPORT.sub(r"\1", _IMPORT.sub(r'const \1 = modules["\2"];', source))
    if other := _OTHER_FORM.search(body):
        raise ValueError(
            f"{path.name}: cannot join {other[0].strip()!r}; modules may have 'import {{ name }} from \"./file.js\";' "
            "and 'export' before (async) function, const or class, each at the start of a line"
        )
    return f'modules["{path.name}"] = (() => {{\n{body.rstrip()}\nreturn {{ {exported} }};\n}})();'
