"""Codecs: the form in which tensors cross a link. An experiment names it, both ends of a link agree on it."""

from worker.wire.codecs.coders import make_coder
from worker.wire.codecs.names import NO_CODEC, Codec, available_codecs, lack_of, parse_codec
from worker.wire.codecs.payload import Decoder, EncodedPayload, Encoder, TensorForm, receive_encoded

__all__ = [
    "NO_CODEC",
    "Codec",
    "Decoder",
    "EncodedPayload",
    "Encoder",
    "TensorForm",
    "available_codecs",
    "lack_of",
    "make_coder",
    "parse_codec",
    "receive_encoded",
]
