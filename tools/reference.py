"""The page of the Python functions for the documentation site: every public function and class with its signature and docstring.

tools/docs calls page(); the package must be found (PYTHONPATH=build/python)."""
import inspect
import re
import textwrap

FAMILIES = {"Making arrays": "_creation _grids", "Arrays": "_array", "Shapes": "_manipulation _relayout", "Elementwise": "_elementwise _functions", "Reductions": "_reductions _order",
            "Choosing and places": "_selection _places", "Numeric": "_numeric _products", "Blocks and functions of your own": "_blocks _windows _gufuncs _compiled _numba",
            "Files": "_store _stacks _dataset", "Running and showing": "_session _progress _profile _show", "Clusters": "_cluster _local _security _futures _waiting _tasks _shared _c_tasks"}
MODULES = {"Random numbers": "random", "Linear algebra": "linalg", "Fourier transforms": "fft", "Images": "image", "Settings": "config"}


def plain(text: str) -> str:
    """Text that Markdown leaves as it is, apart from `code`."""
    parts = text.split("`")
    return "`".join(part if i % 2 else re.sub(r"([*_<>\[\]|])", r"\\\1", part) for i, part in enumerate(parts))


def body(doc: str) -> list[str]:
    """A docstring in NumPy's style as Markdown: sections, parameters as a list, examples as code."""
    out, code, section = [], False, ""
    lines = inspect.cleandoc(doc).split("\n")
    for i, line in enumerate(lines):
        below = lines[i + 1] if i + 1 < len(lines) else ""
        if code and not line.strip():
            out += ["```", ""]
            code = False
        elif code:
            out.append(line)
        elif line.startswith(">>>"):
            out += ["", "```pycon", line]
            code = True
        elif line and re.fullmatch(r"-{3,}", below):
            section = line
            out += ["", f"**{line}**", ""]
        elif re.fullmatch(r"-{3,}", line):
            continue
        elif section and section not in ("Examples", "Notes") and line and not line.startswith(" "):
            name, _, kind = line.partition(" : ")
            out.append(f"- `{name}`" + (f" (*{plain(kind)}*)" if kind else "") + ("" if not below.startswith(" ") else ":"))
        else:
            out.append(("    " if section and line.startswith(" ") else "") + plain(line.strip()))
    return [*out, "```"] if code else out


def entry(title: str, thing, name: str) -> list[str]:
    doc = inspect.getdoc(thing) or ""
    call = ""
    found = re.match(r"(\w+\(.*?\)): (.*)", doc, re.DOTALL)
    if found and not inspect.isclass(thing):  # a ufunc says its signature itself
        call, doc = found.groups()
    elif callable(thing):
        try:
            call = re.sub(r"<class '(\w+)'>", r"\1", name + str(inspect.signature(thing))).replace("<no value>", "...")
            call = re.sub(r"(: |-> )[\"']+([^\"']*)[\"']+", r"\1\2", call)  # annotations are texts
        except (TypeError, ValueError):
            call = name
    code = ["```python", *textwrap.wrap(call, 100, subsequent_indent="    "), "```", ""] if call and "(*args, **kwargs)" not in call else []
    return [f"#### {title}", "", *code, *body(doc), ""]


def members(kind: type) -> list[str]:
    """Methods and attributes of a class that are its own and have something to say."""
    out = []
    for name, value in sorted(vars(kind).items()):
        value = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        doc = getattr(value, "__doc__", None)
        if not name.startswith("_") and inspect.isfunction(value) and doc:
            call = "" if isinstance(vars(kind)[name], property) else "()"
            out.append(f"- `{name}{call}`: {plain(' '.join(doc.strip().split(chr(10) * 2)[0].split()))}")
    return ["**Methods and attributes**", "", *out, ""] if out else []


def public(module) -> list[str]:
    return sorted((name for name in dir(module) if not name.startswith("_")), key=lambda name: (name.lower(), name))


def page() -> str:
    import tessera as ts

    out = ["# Reference", "", "Written from the docstrings, whose examples are run by the tests. `help(ts.mean)` shows the same.",
           "[NumPy's functions, here and in Dask](python-api.md) is the table of names."]
    homes = {f"tessera.{module}": family for family, modules in FAMILIES.items() for module in modules.split()}
    things = [(name, getattr(ts, name)) for name in public(ts)]
    for family in FAMILIES:
        out += ["", f"## {family}", ""]
        for name, thing in things:
            home = getattr(thing, "__module__", None)
            if callable(thing) and homes.get(home) == family:
                out += entry(name, thing, name) + (members(thing) if inspect.isclass(thing) else [])
    for family, name in MODULES.items():
        module = getattr(ts, name)
        out += ["", f"## {family}", ""]
        for function in public(module):
            thing = getattr(module, function)
            if inspect.isroutine(thing) and getattr(thing, "__module__", "") in (module.__name__, "tessera._distributions", "tessera._products", "tessera._manipulation") and \
                    inspect.getdoc(thing) and function not in ("asnode", "make", "c_text", "engine_settings", "options", "parse_bytes", "roll"):
                out += entry(f"{name}.{function}", thing, f"{name}.{function}")
    return "\n".join(out) + "\n"
