"""Hold a model file open, so that what was looked at is what Keras loads.

A path may lead to another file at any time, and a file may be written to. What decides which code
runs and which files are read is therefore kept in memory from the first look on: the config, the
list of members, assets, and the headers of an HDF5 file. Weights are read from the open file.
"""

from __future__ import annotations

import io
import shutil
import sys
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from rewriter.errors import ModelReadError, RewriterError
from rewriter.saved.formats import zip_members
from rewriter.saved.formats.bounded_json import parse
from rewriter.saved.formats.positioned import Positioned
from rewriter.saved.formats.saved_model import lookups
from rewriter.saved.model_file import ModelFile, read
from rewriter.saved.safety.file_state import changed, require_unchanged, state_of_file
from rewriter.saved.safety.links_and_sizes import config_digest, references
from rewriter.saved.writing.temporary import temporary_directory

PAGE = 4096
"""Bytes that are kept together."""

CONFIG = "config.json"
_LOOKED_AT = (CONFIG, "metadata.json", "assets/")
"""The members of an archive that Keras reads, besides the weights."""


@dataclass(frozen=True, slots=True)
class OpenModelFile:
    """A model file that is held open.

    Parameters
    ----------
    file : ModelFile
        What was read of it.
    opened : BinaryIO or None
        The file itself; None for a SavedModel directory.
    directory : Path
        Where the files of a SavedModel directory are read: a private copy, where its graphs are
        run.
    """

    file: ModelFile
    opened: BinaryIO | None
    directory: Path

    @property
    def unbuffered(self) -> BinaryIO:
        """The file itself, for its bytes to be copied."""
        assert isinstance(self.opened, Pages)
        return cast(BinaryIO, self.opened.raw)

    def remember(self) -> list[tuple[str, str]]:
        """Keep what decides what is loaded, and return what leads out of the file.

        Raises
        ------
        ModelReadError
            The file is another than the one that was read.
        """
        pages = self.opened
        if not isinstance(pages, Pages):
            return []
        with pages.keeping():
            if self.file.format == "keras" and _config(pages) != config_digest(self.file.document):
                raise changed(self.file.path)
            return list(references(pages, self.file.path, self.file.format, limits=False))


@contextmanager
def kept_open(file: ModelFile) -> Iterator[OpenModelFile]:
    """Hold a file open, from before it is let in until it is loaded.

    Raises
    ------
    ModelReadError
        It is another file than the one that was read, or was written to since, or is written to
        before the end.
    """
    with ExitStack() as stack:
        if file.format == "savedmodel":
            require_unchanged(file.path, file.state)
            folder = stack.enter_context(_private(file)) if _runs(file) else file.path
            try:
                yield OpenModelFile(file, None, folder)
            finally:  # whatever else is wrong with it is no news then
                require_unchanged(file.path, file.state)
            return
        try:
            raw = stack.enter_context(file.path.open("rb", buffering=0))
        except OSError as error:
            raise changed(file.path) from error
        require_unchanged(file.path, file.state, state_of_file(cast(BinaryIO, raw)))
        try:
            yield OpenModelFile(file, cast(BinaryIO, Pages(raw, str(file.path))), file.path)
        finally:
            require_unchanged(file.path, file.state, state_of_file(cast(BinaryIO, raw)))


def _runs(file: ModelFile) -> bool:
    """Whether the graphs of a directory are run, for a vocabulary that is nowhere else."""
    return any(lookups(file.document))


@contextmanager
def _private(file: ModelFile) -> Iterator[Path]:
    """Copy a directory to where nobody else writes."""
    with temporary_directory() as folder:
        copy = folder / "model"
        try:
            shutil.copytree(file.path, copy, symlinks=True)
            same = config_digest(read(copy, limits=False).document) == config_digest(file.document)
        except (OSError, RewriterError) as error:
            raise changed(file.path) from error
        if not same:
            raise changed(file.path)
        yield copy


def _config(pages: Pages) -> str:
    """Read what Keras reads of an archive besides its weights; return the digest of the config."""
    try:
        with zipfile.ZipFile(cast(BinaryIO, pages)) as members:
            for name in members.namelist():
                if name.startswith(_LOOKED_AT):
                    with members.open(name) as member:
                        while member.read(2**20):
                            pass
        text = zip_members.members(cast(BinaryIO, pages), {CONFIG: sys.maxsize >> 1})[CONFIG]
        return config_digest(parse(text, CONFIG, sys.maxsize))
    except (*zip_members.DAMAGE, KeyError, ModelReadError):
        return ""


class Pages(Positioned):
    """A file of which some pages are kept in memory once they are read.

    Parameters
    ----------
    raw : RawIOBase
        The file, unbuffered.
    name : str
        Its path, for messages.
    """

    def __init__(self, raw: io.RawIOBase, name: str) -> None:
        super().__init__(raw.seek(0, io.SEEK_END))
        self.raw = raw
        self.name = name
        self.kept: dict[int, bytes] = {}
        self.keeps = False

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """Keep for good what is read."""
        self.keeps = True
        try:
            yield
        finally:
            self.keeps = False

    def fileno(self) -> int:
        """Return the number of the open file, for a child process to read it all anew."""
        return self.raw.fileno()

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill a buffer as far as the file goes."""
        view = memoryview(buffer).cast("B")
        content = self.read(len(view))
        view[: len(content)] = content
        return len(content)

    def read(self, size: int | None = -1) -> bytes:
        """Return so many bytes, or all that are left."""
        left = max(0, self.size - self.at)
        size = left if size is None or size < 0 else min(size, left)
        pages = range(self.at // PAGE, (self.at + size - 1) // PAGE + 1)
        if self.keeps:
            for page in pages:
                if page not in self.kept:
                    start = page * PAGE
                    self.kept[page] = self._from_file(start, min(PAGE, self.size - start))
        content = self._with_kept(self._from_file(self.at, size), pages)
        self.at += len(content)
        return content

    def _with_kept(self, content: bytes, pages: range) -> bytes:
        """Return what was read with the pages that are kept; in a file as it was, the same."""
        end = self.at + len(content)
        for page in pages if len(pages) < len(self.kept) else sorted(self.kept):
            start = max(page * PAGE, self.at)
            kept = self.kept.get(page, b"")[start - page * PAGE : max(0, end - page * PAGE)]
            place = start - self.at
            if start < end and content[place : place + len(kept)] != kept:
                content = content[:place] + kept + content[place + len(kept) :]
        return content

    def _from_file(self, start: int, size: int) -> bytes:
        """Read from the file itself; the system may give less than is asked for.

        What has been cut off since is zeros: the file has the size that it had.
        """
        self.raw.seek(start)
        content = self.raw.read(size) or b""
        while len(content) < size and (more := self.raw.read(size - len(content))):
            content += more
        return content if len(content) == size else content.ljust(size, b"\0")
