"""A local service that speaks the Files, Batches and Chat Completions endpoints, for trying, testing and measuring.

It keeps its state on disk, checks what it is sent as strictly as the real service, answers each request with content
that fits its own schema, and goes wrong on request (`faults`). Nothing leaves this machine and nothing costs money.

    running, protocol    starting it: in the foreground, or as a child process
    server     the application and its errors;  file_routes, batch_routes, chat_routes: what each path does
    batches    the life of a batch, from `validating` to its end
    validation, bodies, strictness    what is refused, and where
    results    the two answer files;  replies, contents, reading, vocabulary, schemas, dice: one answer
    service    what all routes share;  storage: the data folder;  refusals, faults, settings: small values
"""
