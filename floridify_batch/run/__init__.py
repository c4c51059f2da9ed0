"""A run over days: from a word list to stored answers, through any number of sessions and crashes.

`state` is what the stages of a run share. `driver` plans (`feeder`, `worker`), submits (`submission`, `chunk_split`),
polls and collects (`result_collection`, `missing_batch`) until nothing remains. `ledger` holds the state of all chunks
and words, `checkpoint` keeps it in a file, `run_settings` is the part of it that the user chose. `budget` is the cost
limit, `bill` the costs so far, `event` what displays receive, `resources` opens service, database and sandbox,
`recovery` stores batches whose checkpoint is lost, and `crash_point` lets tests kill the process at chosen points.
"""
