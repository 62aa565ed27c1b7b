"""From recorded typings to exported keystroke recognition models."""
