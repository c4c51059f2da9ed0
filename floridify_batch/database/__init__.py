"""MongoDB: the store of a run, in every layout that Floridify's database has had, and a local server of our own.

`connection` opens a database at an address or over a data folder; `store` reads entries and writes changes, by way of
`document` (entries and changes as documents), `layout` (how ids, references, languages and entries are spelled) and
`removal` (documents that an answer replaces). `source_entry` and `source_import` write imported dictionaries, `lookup`
reads a headword with all its documents, `server` starts and stops a local `mongod`. Only this package imports pymongo.
"""
