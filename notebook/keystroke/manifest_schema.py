"""The schema of the manifest, by which the server reads it.

It is written in ``server/src/schemas/manifest.ts``; ``models/manifest.schema.json`` is generated
from it.
"""

import json
from pathlib import Path
from typing import Any

import jsonschema

FILE = 'manifest.json'
SCHEMA = Path(__file__).resolve().parents[2] / 'models' / 'manifest.schema.json'


class ManifestError(RuntimeError):
    """A manifest that the server would refuse; nothing was published."""


def read_schema() -> dict[str, Any]:
    """Read the schema by which the server reads a manifest.

    Raises
    ------
    ManifestError
        If it is missing.
    """
    try:
        schema: dict[str, Any] = json.loads(SCHEMA.read_text('utf-8'))
    except FileNotFoundError as error:
        raise ManifestError(
            f'{SCHEMA} is missing; git restore models/{SCHEMA.name}, or npm run schema, makes it'
        ) from error
    return schema


def check(manifest: dict[str, Any]) -> None:
    """Check a manifest against the schema.

    Raises
    ------
    ManifestError
        Naming the first field at fault.
    """
    validator = jsonschema.Draft202012Validator(read_schema())
    fault = jsonschema.exceptions.best_match(validator.iter_errors(manifest))
    if fault is not None:
        raise ManifestError(f'{FILE}: {fault.json_path.removeprefix("$.")}: {fault.message}')
