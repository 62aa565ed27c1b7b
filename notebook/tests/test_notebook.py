"""The committed notebook, as a reader finds it."""

import ast
import re
from typing import Any
from urllib.parse import unquote

import nbformat
import pytest
from conftest import ROOT

NOTEBOOK = nbformat.read(ROOT / 'notebook' / 'train.ipynb', as_version=4)  # type: ignore[no-untyped-call]
CODE = [cell for cell in NOTEBOOK.cells if cell.cell_type == 'code']
MARKDOWN = [cell.source for cell in NOTEBOOK.cells if cell.cell_type == 'markdown']


def texts(cell: Any) -> list[str]:
    """Return what a reader sees of a cell: its source, and its outputs but for images."""
    found = [cell.source]
    for output in cell.get('outputs', []):
        found.append(output.get('text', ''))
        found += [
            str(content)
            for kind, content in output.get('data', {}).items()
            if not kind.startswith('image/')
        ]
    return found


def test_every_code_cell_has_been_executed_once_and_in_order() -> None:
    assert [cell.execution_count for cell in CODE] == list(range(1, len(CODE) + 1))


def test_no_cell_shows_an_error_or_a_warning() -> None:
    outputs = [output for cell in CODE for output in cell.outputs]
    assert outputs
    assert not [output for output in outputs if output.output_type == 'error']
    assert not [output for output in outputs if output.get('name') == 'stderr']


def test_its_plots_are_committed_with_it() -> None:
    images = [o for cell in CODE for o in cell.outputs if 'image/png' in o.get('data', {})]
    assert len(images) >= 5


def test_it_defines_no_function_and_no_class() -> None:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
    nodes = [node for cell in CODE for node in ast.walk(ast.parse(cell.source))]
    assert len(nodes) > 100
    assert not [ast.unparse(node) for node in nodes if isinstance(node, kinds)]


def test_its_first_code_cell_holds_the_parameters() -> None:
    tagged = [i for i, cell in enumerate(CODE) if 'parameters' in cell.metadata.get('tags', [])]
    assert tagged == [0]
    names = [
        target.id
        for node in ast.parse(CODE[0].source).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    ]
    assert names == ['csv', 'models']


def test_it_mentions_no_path_of_the_machine_it_ran_on() -> None:
    # /one/two, but not ../one/two, https://one/two, text/csv or </td>; and C:\.
    absolute = re.compile(r'(?<![\w./:<])/[\w.-]+/[\w.-]+|\b[A-Za-z]:\\|file://')
    assert absolute.search('see /home/ana/x.py')
    everything = [text for cell in NOTEBOOK.cells for text in texts(cell)]
    assert not [match[0] for text in everything for match in absolute.finditer(text)]


def test_it_keeps_nothing_that_changes_at_every_run() -> None:
    assert 'papermill' not in NOTEBOOK.metadata
    assert 'version' not in NOTEBOOK.metadata.language_info
    for cell in NOTEBOOK.cells:
        assert not {'papermill', 'execution'} & set(cell.metadata)


LINKS = [link for source in MARKDOWN for link in re.findall(r'\[[^\]]+\]\(#([^)\s]+)\)', source)]


@pytest.mark.parametrize('anchor', LINKS)
def test_links_within_it_lead_to_a_heading(anchor: str) -> None:
    headings = [
        h for source in MARKDOWN for h in re.findall(r'^#+ +(.+?) *$', source, re.MULTILINE)
    ]
    # Jupyter's anchors are the heading with hyphens for blanks, everything else unchanged.
    assert unquote(anchor) in {heading.replace(' ', '-') for heading in headings}
