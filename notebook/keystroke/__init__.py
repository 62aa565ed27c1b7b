"""From recorded typings to exported keystroke recognition models."""

import os

# onnxruntime's Linux and macOS packages otherwise tell their maker of every session.
os.environ['ORT_DISABLE_TELEMETRY'] = '1'
