"""The pure middle of a run: from entries to requests, and from answer lines to changes. No network, no database.

The stages of a run are: read the word list (words); look up entries (database); plan requests (`plan`) and pack them
into chunks (`chunk`); upload, create and poll batches (providers, run); index and settle the answer lines
(`settlement`); derive changes (`change_derivation`); store them (database). `workload` plans a whole word list without
sending anything, and `estimate` turns the counts into tokens and costs.
"""
