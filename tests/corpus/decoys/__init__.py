"""Files without any key, in which something looks like one."""

from . import binaries, blobs, encrypted, examples, hashes, lookalikes, names

ALL = [
    *examples.FILES,
    *names.FILES,
    *hashes.FILES,
    *blobs.FILES,
    *encrypted.FILES,
    *lookalikes.FILES,
    *binaries.FILES,
]
