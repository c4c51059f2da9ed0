"""The components of an entry: one module each, with its answer's schema, its recipe and the effect of its answers.

`registry` lists them in order; `prompts/` holds a template for each. The other modules are shared: schemas (`answer`),
recipes, templates, requests and failures, changes to the database, and the port behind which the database stands
(`entry_store`). Nothing here does I/O, except that templates are read from files.
"""
