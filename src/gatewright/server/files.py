"""Files that only their owner may read, written whole or not at all."""

import os
import tempfile
from pathlib import Path


def write_privately(file: Path, text: str, *, overwrite: bool = True) -> None:
    """Writes a file only its owner can read, whole or not at all, on disk when this returns.

    Without `overwrite` a file that is there already stays.

    Raises:
        OSError: it cannot be written.
    """
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")  # made with mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        if overwrite:
            Path(name).replace(file)
        else:
            _link_unless_there(Path(name), file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(file.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def _link_unless_there(made: Path, file: Path) -> None:
    """Two first starts at once end with one key: the other's, if it was earlier."""
    try:
        os.link(made, file)
    except FileExistsError:
        pass
    finally:
        made.unlink()
