"""The service that people write: FastAPI, a form, one image at a time. See serve.py.

uvicorn benchmarks.fastapi_service:app --port 8001
"""

import io
from typing import Annotated, Any

import numpy as np
import torch
from fastapi import FastAPI, File
from PIL import Image

from convlens.pipeline.trained import load_trained

NAME = "efficientnet_lite0"
bundle, module = load_trained(NAME)
module.eval()
mean, std = (torch.tensor(values).view(3, 1, 1) for values in (bundle.preprocessing.mean, bundle.preprocessing.std))
app = FastAPI()


def transform(image: Image.Image) -> torch.Tensor:
    """Resize the shorter side, crop the center, scale, normalize: what torchvision's transforms do."""
    resize, size = bundle.preprocessing.resize, bundle.preprocessing.size
    scale = resize / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
    left, top = (image.width - size) // 2, (image.height - size) // 2
    pixels = np.array(image.crop((left, top, left + size, top + size)))
    return (torch.from_numpy(pixels).permute(2, 0, 1).float() / 255 - mean) / std


@app.post("/predict")  # type: ignore[untyped-decorator, unused-ignore]
async def predict(file: Annotated[bytes, File()]) -> dict[str, Any]:
    """The five likeliest classes."""
    x = transform(Image.open(io.BytesIO(file)).convert("RGB")).unsqueeze(0)
    with torch.no_grad():
        probabilities = module(x).softmax(1)[0]
    best = probabilities.topk(5)
    names = [bundle.classes[place] for place in best.indices.tolist()]
    return {"predicted": names[0], "probabilities": dict(zip(names, best.values.tolist(), strict=True))}
