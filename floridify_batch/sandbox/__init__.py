"""The sandbox: a local implementation of the Files, Batches and Chat Completions endpoints, for tests and benchmarks.

It keeps its state on disk, validates requests as strictly as the real service, answers each request with content that
fits its schema, and injects faults on demand. Nothing leaves this machine and nothing costs
money, unless another service answers (`--answers-from`).

    process              starts the server in the foreground, in a child process or in a thread
    server               the HTTP server and its application: errors and control routes
    file_routes, batch_routes, chat_routes    the endpoints
    batch                the life cycle of a batch, from `validating` to its final status
    validation, body, strict_schema           validation of input files, request bodies and JSON schemas
    answer_files         the output file and the error file of a batch
    endpoint             answers of another service, in place of generated ones
    reply, content, prompt, vocabulary, schema, random_generator    one generated answer
    service, storage     the state shared by all routes, and the data folder
    refusal, fault, sandbox_settings          plain values
"""
