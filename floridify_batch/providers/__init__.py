"""Providers: the services that answer requests, immediately or in batches.

`interface` holds the protocols `Connector` and `Batches` and the state of a batch, `BatchJob`. `openai_connector` and
`openai_batches` are the adapters of OpenAI's endpoints, `immediate` runs a file of requests through a connector,
`transfer` makes upload, creation and download idempotent, `client` creates the SDK's client, and `error` translates its
exceptions. Nothing outside this package imports openai.
"""
