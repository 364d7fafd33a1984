"""The half of the corpus that was written after the scanner: files with keys, and files without any."""

from . import ci, code, configs, decoys, encodings, infra, lookalikes, records, shells

PLANTED = [
    *infra.FILES,
    *ci.FILES,
    *shells.FILES,
    *configs.FILES,
    *code.FILES,
    *records.FILES,
    *encodings.FILES,
]
DECOYS = [*decoys.FILES, *lookalikes.FILES]
