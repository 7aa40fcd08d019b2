"""How far a file was read, and how to recognise it again."""

from collections.abc import Iterable
from hashlib import blake2b

import msgspec

HEAD_BYTES = 1024
"""A file is recognised by how it begins: file systems give the inode of a removed file to the next one."""

SURE_BYTES = 256
"""This much of the beginning suffices even when the inode differs: the file was copied."""

MAX_ENDED = 32
"""Generations that are remembered after they were read to their end."""

MAX_MOVED_TO = 4
"""Directories that are remembered because rotation moves files there."""

TAIL_BYTES = 512
"""The bytes before the offset have to be those that were read: files of one log may all begin in the same way."""


class Checkpoint(msgspec.Struct, frozen=True):
    """How far one generation was read."""

    inode: int
    offset: int
    """Bytes that are read and durable. A line that has no end yet is not among them."""
    head: int = 0
    """Bytes from the beginning of the file that `digest` is of."""
    digest: str = ""
    modified: int = 0
    """When the file was last written, in nanoseconds since 1970 by the clock of its file system."""
    within_line: bool = False
    """The line at `offset` began before the file was followed: the rest of it is passed over."""
    path: str = ""
    """Where it was, links resolved; see `path_text`."""
    pending: bytes = b""
    """Parts of records before `offset` whose end comes behind it: a container runtime has split their lines."""
    tail: str = ""
    """Digest of the last bytes before `offset`, at most TAIL_BYTES. Empty if it is not known."""

    @property
    def is_absent(self) -> bool:
        """Whether there was no file."""
        return self.inode == 0

    def encode(self) -> str:
        """Return it as the journal keeps it."""
        return msgspec.json.encode(self).decode()


def absence(now: int) -> Checkpoint:
    """Return the checkpoint of a path without a file, at `now` in nanoseconds since 1970: later files are new."""
    return Checkpoint(inode=0, offset=0, modified=now)


class EndedGeneration(msgspec.Struct, frozen=True):
    """A generation that was read to its end."""

    inode: int
    head: int
    digest: str
    offset: int = 0
    """How long it was; 0 if that is not known."""
    tail: str = ""
    """Digest of its last bytes, as that of a checkpoint."""

    @property
    def is_sure(self) -> bool:
        """Whether this tells the file from another one that has its inode by now."""
        return self.offset > 0 and self.head > 0 and (bool(self.tail) or self.offset <= self.head)


class History(msgspec.Struct, frozen=True):
    """What is known of a path besides its open generations."""

    watermark: int = 0
    """Generations that were written before this are known or of no interest; in nanoseconds since 1970."""
    ended: tuple[EndedGeneration, ...] = ()
    """The last of them, newest last, at most MAX_ENDED."""
    moved_to: tuple[str, ...] = ()
    """Other directories into which rotation has moved files; see `path_text`. At most MAX_MOVED_TO, newest last."""

    def encode(self) -> str:
        """Return it as the journal keeps it."""
        return msgspec.json.encode(self).decode()

    def with_ended(self, checkpoint: Checkpoint) -> "History":
        """Return the history after the generation of `checkpoint` was read to its end."""
        identity = as_ended(checkpoint)
        ended = tuple(one for one in self.ended if one != identity)
        return History(max(self.watermark, checkpoint.modified), (*ended, identity)[-MAX_ENDED:], self.moved_to)

    def with_moved_to(self, directories: Iterable[str]) -> "History":
        """Return the history after rotation has moved files into these directories."""
        known = dict.fromkeys((*self.moved_to, *directories))
        return History(self.watermark, self.ended, tuple(known)[-MAX_MOVED_TO:])


def as_ended(checkpoint: Checkpoint) -> EndedGeneration:
    """Return what is remembered of a generation that is not read on from `checkpoint`."""
    return EndedGeneration(checkpoint.inode, checkpoint.head, checkpoint.digest, checkpoint.offset, checkpoint.tail)


def digest_of(head: bytes) -> str:
    """Return the digest of how a file begins; empty for an empty file."""
    return blake2b(head, digest_size=16).hexdigest() if head else ""


def decode_checkpoint(text: str) -> Checkpoint:
    """Return the checkpoint that the journal kept."""
    return msgspec.json.decode(text, type=Checkpoint)


def decode_history(text: str) -> History:
    """Return the history that the journal kept."""
    return msgspec.json.decode(text, type=History)
