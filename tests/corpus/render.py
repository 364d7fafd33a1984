"""From a template to a file, keeping account of where each key came to stand.

A template is the file's text with marks in double angle brackets:

    <<id a>>  <<secret a>>       the two halves of pair `a` (keys.PAIRS says what kind it is)
    <<secret a|b64>>             the same value, written another way (see WRITINGS)
    <<credentials a>>            a whole credentials file in base64, as Velero keeps it
    <<env64 a>>  <<basic64 a>>   the same of other texts that hold a pair (see TEXTS)
    <<wrapped a 4>>              the credentials file again, in lines of 64 characters, indented by 4
    <<hex 40>>  <<b64 64>> ...   filler, see FILLERS: never a finding
    <<join AKIA+XXXX>>           text that is kept in pieces, so that no key-like word is committed

The manifest is written from the marks, not by looking for keys in the result: a search would only
find what its author thought of.
"""

import base64
import re
import urllib.parse
from collections import namedtuple

from keys import ALNUM, BASE32, BASE64, FROZEN, LOWER, Stream, pair

# form: the short name of the form (planted) or the kind (decoy).
File = namedtuple("File", "path form text encoding", defaults=("utf-8",))
Finding = namedtuple("Finding", "file line rule form")
Mark = namedtuple("Mark", "offset rule written")

TOKEN = re.compile(r"<<([a-z0-9-]+)(?: ([^<>|]*))?(?:\|([a-z0-9]+))?>>")

KEY_ID = "exposed-key-id"
SECRET = "plaintext-key"

# AWS's own documentation uses these; they are in pieces here so that no scanner stops at this file.
EXAMPLES = {
    "id": "AKIA" + "IOSFODNN7" + "EXAMPLE",
    "id-2": "AKIA" + "I44QH8DHB" + "EXAMPLE",
    "id-temporary": "ASIA" + "IOSFODNN7" + "EXAMPLE",
    "secret": "wJalrXUtnFEMI" + "/K7MDENG/" + "bPxRfiCYEXAMPLEKEY",
    "secret-2": "je7MtGbClwBF" + "/2Zp9Utk/" + "h3yCo8nvbEXAMPLEKEY",
    "secret-plus": "wJalrXUtnFEMI" + "/K7MDENG+" + "bPxRfiCYEXAMPLEKEY",
    "secret-long": "wJalrXUtnFEMI" + "/K7MDENG/" + "bPxRfiCYzEXAMPLEKEY",
}


def _base64(text):
    """As Kubernetes keeps the values of a Secret."""
    return base64.b64encode(text.encode()).decode()


WRITINGS = {
    None: lambda text: text,
    "b64": _base64,
    # PHP's json_encode and some others put a backslash before each slash.
    "slashes": lambda text: text.replace("/", "\\/"),
    "url": lambda text: urllib.parse.quote(text, safe=""),
    # .NET's System.Text.Json escapes the plus sign.
    "unicode": lambda text: text.replace("+", "\\u002B"),
}


def _uuid(stream, _):
    """A random one, version 4."""
    digits = stream.bytes(16).hex()
    return "-".join((digits[:8], digits[8:12], "4" + digits[13:16], "a" + digits[17:20], digits[20:]))


def _lines(stream, argument, alphabet=BASE64, width=64):
    """Wrapped text, as in PEM and MIME; the argument is the number of lines."""
    return "\n".join(stream.text(width, alphabet) for _ in range(int(argument)))


def _in_run(stream, _):
    """A well-formed ID inside a longer word: no boundary on either side."""
    middle = pair("in-run" + stream.text(8, LOWER), "a")[0]
    return stream.text(7, ALNUM) + middle + stream.text(9, ALNUM)


def _run_of(stream, argument):
    """Base64 with such a word somewhere in it; the argument is the length."""
    length = int(argument)
    word = _in_run(stream, None)
    spare = length - len(word)
    before = spare // 4 + stream.below(spare // 2)
    return stream.text(before, BASE64) + word + stream.text(spare - before, BASE64)


def _blob(stream, argument):
    """Lines of base64 of which one has an ID inside: an image, a font, a certificate."""
    lines = _lines(stream, argument, width=76).split("\n")
    lines[len(lines) // 2] = _run_of(stream, 76)
    return "\n".join(lines)


FILLERS = {
    "hex": lambda stream, n: stream.text(int(n), "0123456789abcdef"),
    "hexlines": lambda stream, n: _lines(stream, n, "0123456789abcdef", 80),
    "b64": lambda stream, n: stream.text(int(n), BASE64),
    "b64lines": _lines,
    "blob": _blob,
    "run": _run_of,
    "inrun": _in_run,
    "alnum": lambda stream, n: stream.text(int(n), ALNUM),
    "upper": lambda stream, n: stream.text(int(n), BASE32),
    "digits": lambda stream, n: "".join(str(value % 10) for value in stream.bytes(int(n))),
    "word": lambda stream, n: stream.text(int(n), LOWER),
    "uuid": _uuid,
    "join": lambda _, argument: argument.replace("+", ""),
    "repeat": lambda _, argument: (argument.split()[0] * 40)[: int(argument.split()[1])],
    "example": lambda _, name: EXAMPLES[name],
    "example64": lambda _, name: _base64(EXAMPLES[name]),
    "text64": lambda _, text: _base64(text),
}


def _file(key_id, secret):
    """A credentials file."""
    return f"[default]\naws_access_key_id={key_id}\naws_secret_access_key={secret}\n"


def _wrapped(text, indent):
    """Base64 in lines, as `base64` prints it, indented from the second line on."""
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return ("\n" + " " * int(indent)).join(lines)


# Texts that hold a pair; each is one value, and both halves are findings of the line on which it begins.
TEXTS = {
    "credentials": lambda key_id, secret, _: _base64(_file(key_id, secret)),
    "wrapped": lambda key_id, secret, indent: _wrapped(_base64(_file(key_id, secret)), indent),
    "env64": lambda key_id, secret, _: _base64(
        f"PORT=80\nAWS_ACCESS_KEY_ID={key_id}\nAWS_SECRET_ACCESS_KEY={secret}\nDEBUG=0\n"
    ),
    "basic64": lambda key_id, secret, _: _base64(f"{key_id}:{secret}"),
    "twice64": lambda key_id, secret, _: _base64(f"credentials={_base64(_file(key_id, secret))}\n"),
}


class Renderer:
    """Replaces the marks of one template and remembers the ones that are keys."""

    def __init__(self, path, half):
        self.path = path
        self.half = half
        self.filler = Stream("filler", path, half=half)
        self.marks = []

    def value(self, match, offset):
        """The text for one mark."""
        kind, argument, writing = match.groups()
        if kind in FILLERS:
            return FILLERS[kind](self.filler, argument)
        name, _, indent = argument.partition(" ")
        key_id, secret = pair(self.path, name, self.half)
        if kind in TEXTS:
            written = TEXTS[kind](key_id, secret, indent)
            first = written.split("\n", 1)[0]
            self.marks += [Mark(offset, KEY_ID, first), Mark(offset, SECRET, first)]
            return written
        rule, plain = {"id": (KEY_ID, key_id), "secret": (SECRET, secret)}[kind]
        written = WRITINGS[writing](plain)
        self.marks.append(Mark(offset, rule, written))
        return written

    def text(self, template):
        """The finished text."""
        parts, length, done = [], 0, 0
        for match in TOKEN.finditer(template):
            before = template[done : match.start()]
            value = self.value(match, length + len(before))
            parts += [before, value]
            length += len(before) + len(value)
            done = match.end()
        return "".join(parts) + template[done:]


ENCODERS = {
    "utf-8": lambda text: text.encode(),
    "bom": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "crlf": lambda text: text.replace("\n", "\r\n").encode(),
    "bom-crlf": lambda text: b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode(),
    "utf-16le": lambda text: b"\xff\xfe" + text.replace("\n", "\r\n").encode("utf-16-le"),
    "utf-16be": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    "latin-1": lambda text: text.encode("latin-1"),
    "no-newline": lambda text: text.rstrip("\n").encode(),
}


def render(file, half=FROZEN):
    """The bytes of a file, and its findings in the order of the text.

    A line of the manifest is told apart by file, line and rule alone, so two keys of a kind on one
    line would be counted as one: templates that would do that are refused.
    """
    renderer = Renderer(file.path, half)
    text = renderer.text(file.text)
    lines = text.split("\n")
    findings = []
    for mark in renderer.marks:
        line = text.count("\n", 0, mark.offset) + 1
        assert mark.written in lines[line - 1], (file.path, line)
        findings.append(Finding(file.path, line, mark.rule, file.form))
    assert len(set(findings)) == len(findings), f"{file.path}: two of a kind on a line"
    return ENCODERS[file.encoding](text), findings
