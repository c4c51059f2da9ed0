"""MongoDB: the store of a run, in each layout of Floridify's database, and a local server.

`connection` opens a database at an address or over a data folder; `store` reads entries and writes changes, by way of
`document` (entries and changes as documents), `layout` (the form of IDs, references, languages and entries),
`ownership`, `source_copy` and `merge` (our copies of sources' definitions) and `removal` (documents that an answer
replaces). `source_entry` and `source_import` write imported dictionaries, `lookup` reads a headword with all its
documents, `migration` upgrades what earlier versions stored, `server` starts and stops a local `mongod`. Only this
package imports pymongo.
"""
