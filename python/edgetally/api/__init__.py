"""The routes: what is answered under which path."""
