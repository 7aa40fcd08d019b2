"""Whole logs without a server: fold them, or explain their lines."""
