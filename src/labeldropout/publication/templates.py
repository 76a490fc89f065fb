"""The templates from which pages are made."""

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape


def environment() -> Environment:
    """The templates of this package; a name that a template does not know is an error."""
    return Environment(
        loader=PackageLoader("labeldropout", "publication"),
        autoescape=select_autoescape(["html.jinja"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
