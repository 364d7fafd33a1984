"""Builds the package of the root's pyproject.toml, which has no code and requires the wheel of its version.

pip and uv call it when pre-commit and prek install the hook `keytide`. A builder of the index would be a second package to
download and to trust, for a file of three lines.
"""

import base64
import hashlib
import os
import re
import zipfile

WHEEL = "Wheel-Version: 1.0\nGenerator: keytide\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    """The hook that PEP 517 asks for; the working folder is the root of the repository."""
    with open("pyproject.toml", encoding="utf-8") as file:
        project = file.read()
    # Not by a parser of TOML: Python has one since 3.11 only.
    name = re.search(r'^name = "(.+)"$', project, re.MULTILINE)[1]
    version = re.search(r'^version = "(.+)"$', project, re.MULTILINE)[1]
    requirement = re.search(r'^dependencies = \["(.+)"\]$', project, re.MULTILINE)[1]
    distribution = f"{name.replace('-', '_')}-{version}"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nRequires-Dist: {requirement}\n"
    files = {f"{distribution}.dist-info/METADATA": metadata, f"{distribution}.dist-info/WHEEL": WHEEL}
    record = f"{distribution}.dist-info/RECORD"
    files[record] = "".join(f"{path},sha256={digest(text)},{len(text)}\n" for path, text in files.items())
    files[record] += f"{record},,\n"
    wheel = f"{distribution}-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(wheel_directory, wheel), "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return wheel


def digest(text):
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
