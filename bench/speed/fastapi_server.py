"""What people would write instead: FastAPI with preloaded models, strict types, one worker.

usage: python bench/speed/fastapi_server.py {sklearn,onnx} folder port
"""

import json
import sys
from pathlib import Path
from typing import Annotated, Literal

import joblib
import numpy as np
import onnxruntime
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field

NAMES = ('SVM', 'RF', 'XGB')
Finite = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class Statistics(BaseModel):
    """Mean and sample standard deviation, ms."""

    model_config = ConfigDict(extra='forbid')
    Mean: Finite
    STD: Annotated[Finite, Field(ge=0)]


class Request(BaseModel):
    """The challenge's request."""

    model_config = ConfigDict(extra='forbid')
    Model: Literal['SVM', 'RF', 'XGB']
    HT: Statistics
    PPT: Statistics
    RRT: Statistics
    RPT: Statistics


class Reply(BaseModel):
    """The challenge's answer."""

    UserID: int | str
    Model: str


def row(request: Request) -> np.ndarray:
    """Return the features, float32, of shape (1, 8)."""
    series = (request.HT, request.PPT, request.RRT, request.RPT)
    return np.array([[v for s in series for v in (s.Mean, s.STD)]], dtype=np.float32)


def build(kind: str, folder: Path) -> FastAPI:
    """Load the models, once, and answer with them."""
    app = FastAPI()
    if kind == 'sklearn':
        loaded = {name: joblib.load(folder / f'{name}.joblib') for name in NAMES}

        def label(request: Request) -> int:
            return int(loaded[request.Model]['estimator'].predict(row(request))[0])

        classes = loaded['RF']['classes']
    else:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        sessions = {
            name: onnxruntime.InferenceSession(folder / f'{name}.onnx', options) for name in NAMES
        }

        def label(request: Request) -> int:
            return int(sessions[request.Model].run(['label'], {'features': row(request)})[0][0])

        classes = json.loads((folder / 'requests.json').read_text())['classes']

    @app.get('/health/ready')
    async def ready() -> dict[str, str]:
        return {'status': 'ready'}

    @app.post('/predict')
    async def predict(request: Request) -> Reply:
        return Reply(UserID=classes[label(request)], Model=request.Model)

    return app


if __name__ == '__main__':
    kind, folder, port = sys.argv[1:]
    uvicorn.run(build(kind, Path(folder)), host='127.0.0.1', port=int(port), log_level='warning')
