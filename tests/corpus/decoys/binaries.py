"""Files that are not text, valid as far as a reader of magic numbers looks, and empty ones.

Compressed data is written as stored blocks: zlib's own output differs between its releases, and the
digest of the corpus must not.
"""

import struct
import zlib

from keys import Stream
from render import File


def _stored(data):
    """One deflate block without compression."""
    return b"\x01" + struct.pack("<HH", len(data), len(data) ^ 0xFFFF) + data


def _chunk(kind, data):
    """One chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(name, side):
    """A picture of noise, eight bits of grey."""
    stream = Stream("png", name)
    rows = b"".join(b"\0" + stream.bytes(side) for _ in range(side))
    packed = b"\x78\x01" + _stored(rows) + struct.pack(">I", zlib.adler32(rows))
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    body = _chunk(b"IHDR", header) + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def _gzip(name, size):
    """A gzip file of noise."""
    data = Stream("gzip", name).bytes(size)
    tail = struct.pack("<II", zlib.crc32(data), len(data))
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + _stored(data) + tail


def _elf(name, size):
    """The start of a program, then noise between the names that an SDK leaves in its strings."""
    stream = Stream("elf", name)
    names = b"AWS_ACCESS_KEY_ID\0AWS_SECRET_ACCESS_KEY\0aws_session_token\0"
    start = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHI", 2, 62, 1)
    return start + stream.bytes(size) + b"\0" + names + stream.bytes(size)


def _zip_header(name, size):
    """A zip archive's first entry."""
    data = Stream("zip", name).bytes(size)
    entry = struct.pack("<4sHHHHHIIIHH", b"PK\x03\x04", 20, 0, 0, 0, 33, zlib.crc32(data), size, size, 7, 0)
    return entry + b"aws.bin" + data


def _file(path, kind, data):
    """Bytes go through the renderer as Latin-1, one character for each."""
    return File(path, kind, data.decode("latin-1"), "latin-1")


FILES = [
    _file("decoys/binary/logo.png", "binary-png", _png("logo", 64)),
    _file("decoys/binary/photo.png", "binary-png", _png("photo", 200)),
    _file("decoys/binary/dump.sql.gz", "binary-gzip", _gzip("dump", 5000)),
    _file("decoys/binary/aws.tgz", "binary-gzip", _gzip("aws", 60000)),
    _file("decoys/binary/uploader", "binary-elf", _elf("uploader", 40000)),
    _file("decoys/binary/layer.so", "binary-elf", _elf("layer", 3000)),
    _file("decoys/binary/lambda.zip", "binary-zip", _zip_header("lambda", 9000)),
    _file("decoys/binary/noise.bin", "binary-noise", Stream("noise").bytes(100_000)),
    _file("decoys/binary/zeroes.img", "binary-zeroes", bytes(20_000)),
    _file("decoys/empty/.env", "empty", b""),
    _file("decoys/empty/__init__.py", "empty", b""),
    _file("decoys/empty/newline.txt", "empty", b"\n\n"),
    _file("decoys/empty/bom.txt", "empty", b"\xef\xbb\xbf"),
]
