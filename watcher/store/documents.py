"""Documents as the database holds them: compressed JSON."""

import zlib
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_NULL = msgspec.Raw(b"null")
_LEVEL = 9  # a document is written once and kept for years
_KNOWN = (
    b'"min_p","presence_penalty","reasoning","repetition_penalty","response_format","seed","stop","structured_outputs"'
    b',"temperature","tool_choice","tools","top_a","top_k","top_logprobs","top_p","frequency_penalty","include_reasoning"'
    b',"logit_bias","logprobs","max_tokens","verbosity","web_search_options"'
    b'{"id":"test","kind":"repriced","model":"","name":"","at":"2026-01-01T00:00:00Z","since":"","direction":"down","url":'
    b'"https://openrouter.ai/","prices":{"prompt":{"old":"0.000","new":"0.000","change":"-"}},"fields":{},"marks":[],'
    b'"offer":{"context_length":,"max_completion_tokens":,"input_modalities":["text"],"output_modalities":["text"],'
    b'"supported_parameters":[],"prices":{},"expiration_date":null},"alternatives":[],"days_left":null,"detail":null}'
    b'{"canonical_slug":"","name":"","created":17,"description":"","context_length":131072,"architecture.modality":'
    b'"text->text","architecture.input_modalities":["file","image","text"],"architecture.output_modalities":["text"],'
    b'"architecture.tokenizer":"Other","top_provider.context_length":,"top_provider.max_completion_tokens":,'
    b'"top_provider.is_moderated":false,"supported_parameters":[],"default_parameters.temperature":0.,'
    b'"pricing.prompt":"0.000000","pricing.completion":"0.000000","pricing.input_cache_read":"","pricing.image":""'
    b'{"id":"","canonical_slug":"","hugging_face_id":"","name":"","created":17,"description":"","context_length":131072,'
    b'"architecture":{"modality":"text+image->text","input_modalities":["text","image"],"output_modalities":["text"],'
    b'"tokenizer":"Other","instruct_type":null},"pricing":{"prompt":"0.000000","completion":"0.000000","request":"0",'
    b'"image":"0","web_search":"0","internal_reasoning":"0","input_cache_read":"0.0000000"},"top_provider":{'
    b'"context_length":131072,"max_completion_tokens":null,"is_moderated":false},"per_request_limits":null,'
    b'"supported_parameters":["frequency_penalty"],"default_parameters":{"temperature":null,"top_p":null,'
    b'"frequency_penalty":null},"expiration_date":null,"knowledge_cutoff":null,"links":{"details":"/api/v1/models/"}}'
)
"""What documents have in common: a small one compresses to half with it. It can never change: it is the format."""


class DamagedError(ValueError):
    """The database does not hold what was written to it; `Store` makes a `StoreError` of this."""


def pack(document: Any) -> bytes:
    """Return the document as compressed JSON."""
    return compress(msgspec.json.encode(document))


def unpack(data: bytes, kind: type[T]) -> T:
    """Return the document in compressed JSON as an instance of `kind`. Raises DamagedError."""
    try:
        return msgspec.json.decode(decompress(data), type=kind)
    except msgspec.MsgspecError as error:
        raise DamagedError(str(error)) from error


def split_benchmarks(raw: bytes) -> tuple[bytes, bytes | None]:
    """Return a model's raw document without its benchmarks, and its benchmarks packed.

    Benchmarks change all the time. In every version, they would be most of the database.
    """
    if b'"benchmarks"' not in raw:
        return raw, None
    try:
        document = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])  # every value stays spelled as it came
    except RecursionError:  # nested without end
        return raw, None
    benchmarks = document.pop("benchmarks", None)
    return msgspec.json.encode(document), None if benchmarks in (None, _NULL) else pack(benchmarks)


def compress(raw: bytes) -> bytes:
    """Return JSON as it came, compressed."""
    deflate = zlib.compressobj(_LEVEL, zdict=_KNOWN)
    return deflate.compress(raw) + deflate.flush()


def decompress(data: bytes) -> bytes:
    """Return what `compress` was given. Raises DamagedError."""
    inflate = zlib.decompressobj(zdict=_KNOWN)
    try:
        raw = inflate.decompress(data)
    except zlib.error as error:
        raise DamagedError(str(error)) from error
    if not inflate.eof:
        raise DamagedError("it is cut off")
    return raw
