"""Read a file of a known size from a position of one's own."""

from __future__ import annotations

import io


class Positioned(io.RawIOBase):
    """What is read from a place that it keeps itself; a subclass reads there.

    Parameters
    ----------
    size : int
        Bytes that there are.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.at = 0

    def readable(self) -> bool:
        """Say yes."""
        return True

    def seekable(self) -> bool:
        """Say yes."""
        return True

    def tell(self) -> int:
        """Return where the next byte is read."""
        return self.at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        self.at = max(0, offset + (0, self.at, self.size)[whence])
        return self.at
