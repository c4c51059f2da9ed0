"""Immediate requests to OpenAI's Chat Completions endpoint, with rate limiting and retries."""

import re
from collections.abc import Mapping
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any

import orjson
from pydantic import BaseModel

from floridify_batch.components.failure import FailureReason
from floridify_batch.components.requests import AnswerError, CustomId, Envelope, SynthesisRequest
from floridify_batch.errors import ServiceRefused, ServiceUncertain, UsageError
from floridify_batch.providers.client import FLEX_TIMEOUT, REQUEST_TIMEOUT, new_client
from floridify_batch.providers.error import (
    from_status,
    message_of,
    raise_if_refused,
    retry_after,
    translated,
    was_not_sent,
)
from floridify_batch.providers.interface import CONCURRENCY, DEFAULT_MODEL, HTTP_OK, Reply
from floridify_batch.providers.rate_limit import Throttle
from floridify_batch.providers.reply import received, unusable_reply
from floridify_batch.providers.stated_error import stated_error
from floridify_batch.retry import (
    FLEX_REQUEST,
    LONG_PAUSE,
    LONGEST_THROTTLE,
    REQUEST,
    TOO_MANY_REQUESTS,
    is_transient,
    retrying,
)
from floridify_batch.timing import Notify, ignore

if TYPE_CHECKING:
    from openai import APIStatusError

_STRUCTURED_CAP = 2000
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]+")
_NAME_LENGTH = 64
"""Longest schema name that the service accepts; it takes no brackets, which generic models have in their names."""

_MOST_LOST = 2
"""Sendings of one request after which no reply arrives: each may have been billed."""

_NO_REPLY = "the service closed the connection without a reply"


class _TransientError(ServiceUncertain):
    """A transient failure of an immediate request, as the SDK raised it."""

    def __init__(self, error: Any, seconds: float | None = None) -> None:
        super().__init__(str(error), seconds)
        self.error = error


class OpenAIConnector:
    """A connection to OpenAI, or to any service with its Chat Completions endpoint, for immediate requests."""

    def __init__(
        self,
        api_key: str,
        model_name: str = DEFAULT_MODEL,
        *,
        base_url: str | None = None,
        concurrency: int = CONCURRENCY,
        flex: bool = False,
    ) -> None:
        self.model_name = model_name
        self.api_key = api_key
        self.base_url = base_url
        self.concurrency = concurrency
        self._client = new_client(api_key, base_url, concurrency)
        self._backoff = FLEX_REQUEST if flex else REQUEST
        self._timeout = FLEX_TIMEOUT if flex else REQUEST_TIMEOUT
        if flex:
            self._client = self._client.with_options(timeout=FLEX_TIMEOUT)
        self._throttle = Throttle()
        self.longest_pause = inf
        """Seconds of a pause that the service may ask for; a longer one ends the requests."""
        self.waiting: Notify = ignore
        """Callback for the reason of a long pause."""

    async def complete[R: BaseModel](self, request: SynthesisRequest[R]) -> R:
        """Return the parsed answer to a request.

        Raises `AnswerError` for an answer that cannot be used, `ServiceError` for any other failure.
        """
        reply = await self.post(request.body)
        if reply.status != HTTP_OK:
            error = reply.body.get("error")
            message = error.get("message") if isinstance(error, dict) else error
            raise AnswerError(FailureReason.HTTP, str(message or f"status {reply.status}"))
        return request.parse(reply.body)

    async def _make_structured_request[T: BaseModel](self, prompt: str, response_model: type[T], **kwargs: Any) -> T:
        """Return the answer to a caller's prompt, parsed into a caller's model.

        `max_tokens` caps the answer; `component` names it. Other keywords, such as a temperature, are specific to one
        model and are ignored. Raises `AnswerError` for an answer that cannot be used, or if the service does not accept
        the schema; `ServiceError` for any other failure.
        """
        name = _NOT_IN_NAMES.sub("_", str(kwargs.get("component") or response_model.__name__))[:_NAME_LENGTH]
        cap = int(kwargs.get("max_tokens") or _STRUCTURED_CAP)
        envelope = Envelope(name, response_model, self.model_name, "", cap)
        return await self.complete(SynthesisRequest(CustomId(name), envelope, prompt))

    async def post(self, body: Mapping[str, Any]) -> Reply:
        """Send a body to the endpoint, and retry transient failures.

        A status other than 200 is a reply, too. A reply that cannot be read, or does not arrive, was probably billed:
        it has status 200 and an error, and is not retried here. Raises `ServiceRefused` if every request would fail
        alike, `ServiceBusy` if the request could not be sent.
        """
        from openai import APIStatusError

        try:
            return await retrying(partial(self._post_once, body, []), self._backoff, _TransientError)
        except _TransientError as failure:
            if isinstance(failure.error, APIStatusError):
                return _error_reply(failure.error)
            if not was_not_sent(failure.error):
                return unusable_reply(_NO_REPLY)
            raise translated(failure.error) from failure.error

    async def _post_once(self, body: Mapping[str, Any], lost: list[Exception]) -> Reply:
        """Send a body once; `lost` collects the failures after which no reply arrived."""
        import httpx2
        from openai import APIConnectionError, APIStatusError

        try:
            async with (
                self._throttle.turn(),
                self._client.chat.completions.with_streaming_response.create(**body) as response,
            ):
                self._throttle.note(response.headers)
                reply = await received(response, self._timeout, (httpx2.HTTPError,))
                if error := stated_error(reply.body, response.http_response):
                    raise error
                return reply
        except APIStatusError as error:
            raise_if_refused(error)
            self._slow_down(error)
            if isinstance(from_status(error), ServiceUncertain):
                raise _TransientError(error, retry_after(error)) from error
            return _error_reply(error)
        except APIConnectionError as error:
            if was_not_sent(error):
                raise _TransientError(error) from error
            return self._lost(error, lost)
        except httpx2.HTTPError as error:  # the body of a refusal was cut off
            return self._lost(error, lost)

    def _lost(self, error: Exception, lost: list[Exception]) -> Reply:
        """Return the reply of a request whose reply was lost; raise the first loss, which is retried.

        A connection that was kept open may have been closed while the request was sent.
        """
        from openai import APITimeoutError

        if isinstance(error, APITimeoutError):
            return unusable_reply(f"the service did not reply within {self._timeout:,g} seconds")
        lost.append(error)
        if len(lost) < _MOST_LOST:
            raise _TransientError(error) from error
        return unusable_reply(_NO_REPLY)

    def _slow_down(self, error: "APIStatusError") -> None:
        """Pass the rate limit that a refusal states to the throttle.

        Raises `ServiceRefused` for a pause that no session waits for.
        """
        self._throttle.note(error.response.headers)
        seconds = retry_after(error)
        if is_transient(error.status_code) and (seconds or 0.0) > self.longest_pause:
            raise ServiceRefused(f"{from_status(error)} No more requests are sent; resume after that.") from error
        if (seconds or 0.0) >= LONG_PAUSE:
            self.waiting(f"{from_status(error)} Waiting.")
        if error.status_code == TOO_MANY_REQUESTS and seconds is not None:
            self._throttle.hold(min(seconds, LONGEST_THROTTLE))

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()


def get_openai_connector(model_name: str = DEFAULT_MODEL, *, base_url: str | None = None) -> OpenAIConnector:
    """Return a connector with the key in OPENAI_API_KEY, which the SDK reads. Raises `UsageError` without one."""
    from openai import AsyncOpenAI, OpenAIError

    try:
        client = AsyncOpenAI()
    except OpenAIError as error:
        raise UsageError("No API key. Set OPENAI_API_KEY.") from error
    return OpenAIConnector(client.api_key, model_name, base_url=base_url or str(client.base_url))


def _error_reply(error: "APIStatusError") -> Reply:
    """Return a refusal as a reply, with the service's own body if it is a JSON object that an answer line can hold."""
    body: Any = error.body
    if not isinstance(body, dict) or not _is_encodable(body):
        body = {"error": {"message": message_of(error), "code": None}}
    elif "error" not in body:
        body = {"error": body}
    return Reply(error.status_code, error.request_id or "", body)


def _is_encodable(body: Mapping[str, Any]) -> bool:
    """Whether a body can be written: the SDK's parser takes lone surrogates and numbers of any length."""
    try:
        orjson.dumps(body)
    except TypeError:
        return False
    return True
