"""The templates from which pages are generated."""

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape


def environment() -> Environment:
    """Return the templates of this package; an undefined name in a template is an error."""
    return Environment(
        loader=PackageLoader("labeldropout", "publication"),
        autoescape=select_autoescape(["html.jinja"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
