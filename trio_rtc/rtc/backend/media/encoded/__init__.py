"""Encoded media as it is: what can be sent without an encoder, and read without a decoder."""
