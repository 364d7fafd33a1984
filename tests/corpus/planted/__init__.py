"""Files that hold keys. Each module is a list of templates for one family of formats."""

from . import build, data, ini, lone, odd, shell, source, text, yamls

ALL = [
    *shell.FILES,
    *ini.FILES,
    *yamls.FILES,
    *data.FILES,
    *build.FILES,
    *source.FILES,
    *text.FILES,
    *lone.FILES,
    *odd.FILES,
]
