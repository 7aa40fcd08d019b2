"""One running process, composed of all the parts."""
