"""
Files that edges go on writing, like `tail -F` for every virtual host at once.

```text
settings ─▶ Follower ─▶ FollowedPath ─▶ Generation ─▶ blocks
            polls all    one name        one open file: the current one, and those
            every 200 ms                 that were renamed and are still written to
```

Every generation is read by itself, side by side with the others, and has a checkpoint of its own. It reads its first
line once the one before it is read to its end: a `Handover` passes on a record that begins in one and ends in the
other. `RotatedFiles` tells which files beside the path are still to be read, and `ReadFiles` which were read under
another name. Trouble with one file (I/O error, permission, a directory that is not there) is an event and a metric of
that file, and is retried.
"""
