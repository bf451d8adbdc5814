"""The artifact store and what makes artifacts in it.

A stage (`stage.py`) is a frozen dataclass; what it makes is an artifact: one folder of the store,
`<root>/<stage>/<fingerprint>/`. Four steps take a stage from nothing to a complete artifact:

1. Plan (`plan.py`). The stage lists its items: an id and the digests of the upstream rows it is
   made from. Each item gets a key, `sha256(recipe, id, upstream digests)`, and a shard, by a hash
   of its id. `plan.json` freezes both.
2. Journal (`make.py`, `journal.py`). For each shard, a child process makes the missing items. Each
   outcome, a row or a rejection with its reason, is one checksummed record of the shard's journal.
   If the child dies, another goes on; an item that kills two children is quarantined
   (`crash_policy.py`).
3. Seal (`seal.py`). Journals become Arrow shards in plan order. `manifest.json` is written last:
   an artifact is complete if, and only if, it is there.
4. Reuse (`reuse.py`). A new artifact takes over the rows that any artifact of the same recipe
   holds under the same keys.

For example, `keyframes` of 100 videos with the selector `motion`:

    A  The first run makes 100 rows in `keyframes/3f21.../`.
    B  The same profile again: the fingerprint is the same, the manifest is there. Cached.
    C  Five videos are added: another fingerprint, the same recipe. 100 rows are reused, 5 made.
    D  `k` goes from 8 to 16: another recipe, so no key matches. 105 rows are made.
    E  A run of D is killed after 40 rows. The next one finds them in the journals; 65 are made.
    F  One video is replaced: its upstream digest changes, so its key does. One row is made.

When is a stage made again? `status.py` decides it in one place: an artifact is missing, partial,
damaged, stale or complete. `explain.py` says what differs from the newest artifact of the name;
`verify.py` finds and deletes damaged files, so that the next run makes only those again.

How a stage runs (devices, workers, batch per device: `storm.runtime`) is no part of any digest.
"""
