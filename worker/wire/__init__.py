"""The protocol: messages on control connections, frames on data connections, and their streams."""
