import contextlib
import io
import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import psutil  # type: ignore[import-untyped]
import pytest
from conftest import ROOT, assert_published, entries_of, files, files_of, generator, record
from nbformat import v4

from keystroke.commands import execution, train
from keystroke.models.table import MODELS


@pytest.fixture(scope='module')
def csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('csv') / 'six users.csv'
    generator.write(path, *generator.generate(users=6, typings=6, keys=5))
    return path


@pytest.fixture(scope='module')
def trained(csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train once, into a folder that is not there yet."""
    models = tmp_path_factory.mktemp('trained') / 'new' / 'models'
    with contextlib.redirect_stdout(io.StringIO()) as said:
        assert train.main([str(csv), '--models', str(models)]) == 0
    (models.parent / 'said.txt').write_text(said.getvalue())
    return models


@pytest.fixture
def models(trained: Path, tmp_path: Path) -> Path:
    """Give a copy of trained models that a test may spoil."""
    return Path(shutil.copytree(trained, tmp_path / 'models'))


def notebook_of(path: Path, *sources: str) -> Path:
    """Write a notebook of code cells, the first of them its parameters."""
    cells = [v4.new_code_cell(source) for source in ("csv = models = ''", *sources)]  # type: ignore[no-untyped-call]
    cells[0].metadata.tags = ['parameters']
    kernel = {'kernelspec': {'name': 'python3', 'display_name': 'Python 3', 'language': 'python'}}
    notebook = v4.new_notebook(cells=cells, metadata=kernel)  # type: ignore[no-untyped-call]
    nbformat.write(notebook, path)  # type: ignore[no-untyped-call]
    return path


def outputs_of(path: Path) -> list[Any]:
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    return [cell.outputs for cell in notebook.cells if cell.cell_type == 'code']


def test_training_leaves_manifest_models_and_the_executed_notebook(trained: Path) -> None:
    manifest = assert_published(trained)
    model_files = {entry['file'] for entry in files_of(manifest)}
    assert set(files(trained)) == {'manifest.json', 'train.ipynb'} | model_files
    assert manifest['dataset']['name'] == 'six users.csv'
    assert manifest['classes'] == [1, 2, 3, 4, 5, 6]
    for name in MODELS:
        metrics = manifest['models'][name]['metrics']
        rates = {'trainingAccuracy', 'repeatedStratified', 'leaveOneRepetitionOut'}
        assert set(metrics) == rates | ({'strangers'} if name == 'typing' else set())
        assert metrics['repeatedStratified']['folds'] == 8
        assert metrics['leaveOneRepetitionOut']['folds'] == 6
        assert manifest['models'][name]['parity']['rows'] >= 20_036
    outputs = [output for cell in outputs_of(trained / 'train.ipynb') for output in cell]
    assert sum('image/png' in output.get('data', {}) for output in outputs) >= 5
    assert not [output for output in outputs if output.output_type == 'error']
    assert not [output for output in outputs if output.get('name') == 'stderr']


def test_training_ends_with_rates_and_where_the_notebook_is(trained: Path) -> None:
    said = (trained.parent / 'said.txt').read_text()
    manifest = assert_published(trained)
    rates = {
        name: entry['metrics']['leaveOneRepetitionOut']
        for name, entry in zip(MODELS, entries_of(manifest), strict=True)
    }
    for name, rate in rates.items():
        assert f'{name} {rate["rank1"]:.3f}' in said
    assert f'typing model: {rates["typing"]["pooledEER"]:.3f}' in said
    assert said.endswith(f'{trained / "train.ipynb"}\n')


def test_training_tells_each_step_by_its_heading(
    csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    notebook = notebook_of(tmp_path / 'steps.ipynb', "open('reached', 'w')")
    steps = nbformat.read(notebook, as_version=4)  # type: ignore[no-untyped-call]
    steps.cells.insert(1, v4.new_markdown_cell('## 1. The data\n\nSome words.'))  # type: ignore[no-untyped-call]
    nbformat.write(steps, notebook)  # type: ignore[no-untyped-call]
    monkeypatch.setattr(execution, 'NOTEBOOK', notebook)
    monkeypatch.setattr(train, 'summarize', lambda models: f'in {models}')
    (tmp_path / 'models').mkdir()
    assert train.main([str(csv), '--models', str(tmp_path / 'models')]) == 0
    said, progress = capfd.readouterr()
    assert said == f'in {tmp_path / "models"}\n'
    assert progress.startswith('Training on six users.csv: 36 typings of 6 users\n')
    assert re.search(r'^ +\d+ s  1 of 1: The data$', progress, re.MULTILINE)
    assert 'cell' not in progress
    assert 'ERROR' not in progress


def test_training_again_gives_the_same_but_for_the_date(csv: Path, models: Path) -> None:
    before = files(models)
    assert train.main([str(csv), '--models', str(models)]) == 0
    after = files(models)
    first, second = (json.loads(content['manifest.json']) for content in (before, after))
    first.pop('createdAt')
    second.pop('createdAt')
    assert first == second
    assert {name for name in before if before[name] != after[name]} <= {
        'manifest.json',
        'train.ipynb',
    }


def test_named_users_with_two_keys_and_unequal_typings_train(tmp_path: Path) -> None:
    csv = record(tmp_path / 'named.csv', {'Zoë': 4, '007': 2, '李雷': 3}, keys=2)
    models = tmp_path / 'models'
    assert train.main([str(csv), '--models', str(models)]) == 0
    manifest = assert_published(models)
    assert manifest['classes'] == ['007', 'Zoë', '李雷']
    assert manifest['dataset']['keys'] == 2


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (
            'user,press-0,release-0,press-1,release-1\n1,0,5,9,12\n1,7,5,9,12\n',
            'faulty.csv, line 3, column release-0: 5 is before its press, 7.',
        ),
        (
            'user,press-0,release-0,press-1,release-1\n1,0,5,9,12\n1,0,5,9,13\n',
            'faulty.csv, line 2, column user: 1 is the only user; telling users apart needs at '
            'least two.',
        ),
    ],
    ids=['no typings', 'not trainable'],
)
def test_a_faulty_csv_is_one_sentence_and_leaves_the_previous_models(
    tmp_path: Path, models: Path, capfd: pytest.CaptureFixture[str], content: str, message: str
) -> None:
    before = files(models)
    path = tmp_path / 'faulty.csv'
    path.write_text(content)
    assert train.main([str(path), '--models', str(models)]) == 1
    assert files(models) == before
    assert capfd.readouterr() == ('', f'Not trained: {message}\n')


def test_a_missing_csv_is_one_sentence(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / 'none.csv'
    assert train.main([str(path), '--models', str(tmp_path / 'models')]) == 1
    assert capfd.readouterr().err == f'Not trained: {path}: No such file or directory.\n'
    assert not (tmp_path / 'models').exists()


def test_a_cell_that_fails_is_one_sentence_and_leaves_the_previous_models(
    csv: Path,
    models: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    before = files(models)
    failing = notebook_of(tmp_path / 'failing.ipynb', '1 / 0', "open('reached', 'w')")
    monkeypatch.setattr(execution, 'NOTEBOOK', failing)
    assert train.main([str(csv), '--models', str(models)]) == 1
    error = capfd.readouterr().err
    assert error.endswith('\nNot trained: ZeroDivisionError: division by zero\n')
    assert 'Traceback' not in error
    assert files(models) == before
    assert not (tmp_path / 'reached').exists()


def test_in_place_stores_the_outputs_and_nothing_that_changes_at_every_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = notebook_of(tmp_path / 'train.ipynb', '6 * 7', "print(csv or 'by default')")
    monkeypatch.setattr(execution, 'NOTEBOOK', notebook)
    assert train.main(['--in-place']) == 0
    first = notebook.read_text()
    _, product, printed = outputs_of(notebook)
    assert product[0]['data']['text/plain'] == '42'
    assert printed[0]['text'] == 'by default\n'
    assert 'papermill' not in first
    assert 'timestamp' not in first
    # Neither does the next Python change the file.
    assert 'version' not in json.loads(first)['metadata']['language_info']
    assert train.main(['--in-place']) == 0
    assert notebook.read_text() == first


def test_the_users_own_kernel_startup_files_and_plot_settings_do_not_reach_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = tmp_path / 'jupyter' / 'kernels' / 'python3' / 'kernel.json'
    spec.parent.mkdir(parents=True)
    spec.write_text(json.dumps({'argv': ['false'], 'display_name': 'x', 'language': 'python'}))
    startup = tmp_path / 'ipython' / 'profile_default' / 'startup' / '00.py'
    startup.parent.mkdir(parents=True)
    startup.write_text('list = None\n')
    (tmp_path / 'matplotlibrc').write_text('text.usetex: True\n')
    for variable, value in {
        'JUPYTER_PREFER_ENV_PATH': '0',
        'JUPYTER_PATH': tmp_path / 'jupyter',
        'JUPYTER_DATA_DIR': tmp_path / 'jupyter',
        'IPYTHONDIR': tmp_path / 'ipython',
        'PYTHONSTARTUP': startup,
        'PYTHONPATH': ROOT / 'notebook',
        'MATPLOTLIBRC': tmp_path / 'matplotlibrc',
    }.items():
        monkeypatch.setenv(variable, str(value))
    notebook = notebook_of(
        tmp_path / 'train.ipynb',
        'from matplotlib import rcParams\n'
        'from keystroke import figures\n'
        'figures.use_style()\n'
        "print(list('ab'), rcParams['text.usetex'])",
    )
    monkeypatch.setattr(execution, 'NOTEBOOK', notebook)
    assert train.main(['--in-place']) == 0
    _, printed = outputs_of(notebook)
    assert printed[0]['text'] == "['a', 'b'] False\n"


def test_paths_with_braces_are_paths(
    csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / '{t}'
    folder.mkdir()
    monkeypatch.setenv('TMPDIR', str(folder))
    monkeypatch.setattr('tempfile.tempdir', None)
    monkeypatch.setattr(train, 'summarize', str)
    notebook = notebook_of(folder / 'train.ipynb', "open(f'{models}/reached', 'w').close()")
    monkeypatch.setattr(execution, 'NOTEBOOK', notebook)
    braced = Path(shutil.copy(csv, folder / '{csv}.csv'))
    assert train.main([str(braced), '--models', str(folder)]) == 0
    assert (folder / 'reached').exists()


def test_a_kernel_that_is_killed_is_one_sentence(
    csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    notebook = notebook_of(tmp_path / 'killed.ipynb', 'import os; os.kill(os.getpid(), 9)')
    monkeypatch.setattr(execution, 'NOTEBOOK', notebook)
    assert train.main([str(csv), '--models', str(tmp_path)]) == 1
    error = capfd.readouterr().err
    assert error.endswith(
        '\nNot trained: the Python that ran the notebook was ended, perhaps for want of memory.\n'
    )
    assert 'Traceback' not in error


@pytest.mark.parametrize('command', ['train', 'evaluate'])
def test_a_faulty_file_is_refused_before_the_heavy_libraries_are_loaded(
    command: str, tmp_path: Path
) -> None:
    path = tmp_path / 'faulty.csv'
    path.write_text('nothing,of,the,kind\n')
    loaded = subprocess.run(
        [
            sys.executable,
            '-c',
            f'import sys; from keystroke.commands.{command} import main; main([{str(path)!r}]); '
            "print({'sklearn', 'matplotlib', 'papermill', 'scipy'} & set(sys.modules))",
        ],
        cwd=ROOT / 'notebook',
        capture_output=True,
        text=True,
        check=True,
    )
    assert 'faulty.csv, line 1: column 1 should be user, is "nothing".' in loaded.stderr
    assert loaded.stdout == 'set()\n'


@pytest.fixture
def training(
    csv: Path, models: Path
) -> Iterator[tuple[subprocess.Popen[str], list[psutil.Process]]]:
    """Train in a process of its own, and wait until it is about to fit the models."""
    process = subprocess.Popen(
        [sys.executable, '-m', 'keystroke.commands.train', str(csv), '--models', str(models)],
        cwd=ROOT / 'notebook',
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    seen = ''
    while not re.search(r'\d+ s  7 of 9: ', seen):
        character = process.stderr.read(1)
        assert character, seen
        seen += character
    kernels = psutil.Process(process.pid).children(recursive=True)
    assert kernels
    yield process, kernels
    process.kill()
    for kernel in kernels:
        with contextlib.suppress(psutil.NoSuchProcess):
            kernel.kill()


@pytest.mark.parametrize(
    ('how', 'code'), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)], ids=str
)
def test_training_that_is_killed_leaves_the_previous_models(
    training: tuple[subprocess.Popen[str], list[psutil.Process]],
    models: Path,
    how: signal.Signals,
    code: int,
) -> None:
    process, kernels = training
    before = files(models)
    process.send_signal(how)
    _, error = process.communicate(timeout=30)
    # The kernel notices within a second that nobody is there to train for.
    _, alive = psutil.wait_procs(kernels, timeout=10)
    assert not alive
    assert process.returncode == code
    assert files(models) == before
    assert_published(models)
    if how == signal.SIGINT:
        last = error.splitlines()[-1]
        as_before = (
            rf'the models in {re.escape(str(models))} are as before, of six users\.csv, 20[-\d]+'
        )
        assert re.fullmatch(rf'Interrupted; {as_before}\.', last)
        assert 'Traceback' not in error


def test_a_missing_schema_is_reported_before_anything_is_trained(
    csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        'keystroke.manifest_schema.SCHEMA', tmp_path / 'models' / 'manifest.schema.json'
    )
    assert train.main([str(csv), '--models', str(tmp_path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert re.fullmatch(
        r'Not trained: .* is missing; git restore models/manifest.schema.json.*', line
    )
    assert not list(tmp_path.iterdir())
