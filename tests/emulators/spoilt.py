"""Replies that go wrong on their way to keytide, whole or in part, for both peers.

How a reply is spoilt: `half` (its end is missing), `cut` (so is the end of the transfer), `none` (the connection ends
before it), `more` (something follows it), `twisted` (nothing is missing, but its ends do not match), `page` (a proxy's
page is in its place), `empty`, `echo` (an error that tells what was asked, and with it all that was answered).
"""

PAGE = b"<html><body>Sign in to the proxy</body></html>"


def spoil(how, content, asked=b""):
    """The bytes of a reply in another state; `asked` is what it answers."""
    if how == "half":
        return content[: len(content) * 2 // 3]
    if how == "more":
        return content + b"}</garbage>\0" + content
    if how == "twisted":
        # XML loses a name's end, JSON a quotation mark.
        return content.replace(b"</", b"<", 1).replace(b'"', b"", 1)
    return {"page": PAGE, "empty": b"", "echo": asked + content}.get(how, content)


def sent(how, content):
    """How much of it is sent before the connection ends: None, all of it, and the connection stays."""
    return {"cut": len(content) * 2 // 3, "none": 0}.get(how)
