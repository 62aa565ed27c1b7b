"""How good recognition is, on typings that nothing was fitted on."""
