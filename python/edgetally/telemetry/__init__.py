"""What the process says about itself, for whoever runs it."""
