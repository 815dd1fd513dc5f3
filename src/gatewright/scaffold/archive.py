"""A project as one file to download: the same bytes for the same project."""

import io
import zipfile
from collections.abc import Mapping
from typing import Final

# The first moment that a ZIP file can name.
_MOMENT: Final = (1980, 1, 1, 0, 0, 0)
_UNIX: Final = 3
_FILE: Final = 0o100644
_PROGRAM: Final = 0o100755


def packed(folder: str, contents: Mapping[str, str]) -> bytes:
    """A ZIP file with the folder in it; scripts of a shell may be run."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in sorted(contents.items()):
            entry = zipfile.ZipInfo(f"{folder}/{name}", _MOMENT)
            entry.create_system = _UNIX
            entry.external_attr = (_PROGRAM if name.endswith(".sh") else _FILE) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content.encode())
    return buffer.getvalue()
