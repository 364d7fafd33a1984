"""Keys and filler that exist only while the corpus is being written.

Nothing that looks like an access key is kept in the repository: every one is
worked out from the seeds below at run time. The stream is SHA-256 in counter
mode instead of `random`, so that another release of Python writes the very
same bytes and the digest in the README stays true.
"""

import base64
import hashlib
import re

# The half that was written before the scanner, and the one that was written after it.
FROZEN, SECOND = "frozen", "second"
SEEDS = {FROZEN: "keytide corpus, frozen half, 1", SECOND: "keytide corpus, second half, 1"}

BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
LOWER = "abcdefghijklmnopqrstuvwxyz"
LETTERS = LOWER.upper() + LOWER
DIGITS = "0123456789"
ALNUM = LETTERS + DIGITS
BASE64 = ALNUM + "+/"

# A name of a pair in a template says which kind of ID and secret it stands for, so that a template
# author covers the awkward characters by choosing a letter.
PAIRS = {
    "a": ("AKIA", "mixed"),
    "b": ("AKIA", "slash-first-plus-last"),
    "c": ("AKIAI", "no-digits"),
    "d": ("ASIA", "plus-first-slash-last"),
    "e": ("AKIAJ", "letters-and-digits"),
    "f": ("ABIA", "double-slash"),
    "g": ("ACCA", "mixed"),
    "n": ("AKIA-letters", "letters-and-digits"),
}


class Stream:
    """Bytes that depend on the names given and on nothing else.

    Each file has its own stream, so that a change to one file leaves all the others as they were.
    """

    def __init__(self, *names, half=FROZEN):
        self.name = "\0".join((SEEDS[half], *names)).encode()
        self.counter = 0
        self.pool = b""

    def bytes(self, count):
        """The next `count` bytes."""
        blocks = [self.pool]
        have = len(self.pool)
        while have < count:
            blocks.append(hashlib.sha256(self.name + self.counter.to_bytes(8, "big")).digest())
            self.counter += 1
            have += 32
        data = b"".join(blocks)
        self.pool = data[count:]
        return data[:count]

    def below(self, limit):
        """A number under `limit`; the bias of the remainder is of no account here."""
        return int.from_bytes(self.bytes(8), "big") % limit

    def pick(self, choices):
        """One of the choices."""
        return choices[self.below(len(choices))]

    def text(self, length, alphabet):
        """Characters of an alphabet, one byte drawn for each: long filler must be quick."""
        return "".join(alphabet[value % len(alphabet)] for value in self.bytes(length))


def account_of(key_id):
    """The account ID that a new-form access key ID carries."""
    number = int.from_bytes(base64.b32decode(key_id[4:])[:6], "big")
    return f"{(number & 0x7FFFFFFFFF80) >> 7:012d}"


def _new_form(stream, prefix):
    """An ID that carries an account of twelve digits, as those given out since about 2019 do."""
    account = stream.below(10**12)
    number = 1 << 47 | account << 7 | stream.below(128)
    key_id = prefix + base64.b32encode(number.to_bytes(6, "big") + stream.bytes(4)).decode()
    assert key_id[4] in BASE32[16:] and account_of(key_id) == f"{account:012d}"
    return key_id


def access_key_id(stream, kind):
    """A well-formed access key ID; the account in it is a random number."""
    if kind in ("AKIAI", "AKIAJ"):
        return kind + stream.text(14, BASE32) + stream.pick("AQ")
    prefix = kind[:4]
    while True:
        key_id = _new_form(stream, prefix)
        if kind == prefix or not re.search("[2-7]", key_id):
            return key_id


def _is_mixed(text):
    """Whether a secret has what nearly all real ones have."""
    return all(re.search(part, text) for part in ("[a-z]", "[A-Z]", "[0-9]", "[+/]"))


def secret_access_key(stream, kind):
    """Forty characters of base64, shaped so that each awkward spot turns up."""
    while True:
        body = stream.text(40, BASE64)
        if kind == "slash-first-plus-last":
            body = "/" + body[1:39] + "+"
        elif kind == "plus-first-slash-last":
            body = "+" + body[1:39] + "/"
        elif kind == "double-slash":
            body = body[:13] + "//" + body[15:29] + "+/" + body[31:]
        elif kind == "no-digits":
            body = stream.text(18, LETTERS) + "/" + stream.text(21, LETTERS)
        elif kind == "letters-and-digits":
            body = stream.text(40, ALNUM)
        if kind in ("no-digits", "letters-and-digits") or _is_mixed(body):
            return body


def pair(path, name, half=FROZEN):
    """The ID and the secret that a pair's name stands for in one file."""
    id_kind, secret_kind = PAIRS[name[0]]
    stream = Stream("pair", path, name, half=half)
    return access_key_id(stream, id_kind), secret_access_key(stream, secret_kind)
