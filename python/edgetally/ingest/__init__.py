"""Bytes from sources become durable: fold, then journal."""
