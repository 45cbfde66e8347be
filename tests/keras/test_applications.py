"""Files that Keras writes of its own VGG16 and ResNet50: the networks of the zoo answer as Keras does with them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from convlens.backbones.resolve import loaded, network, preprocessing_for
from convlens.data.batches import normalized

keras = pytest.importorskip("keras")
pytestmark = [pytest.mark.keras, pytest.mark.filterwarnings("ignore")]  # Keras's own

APPLICATIONS = {
    "vgg16": (keras.applications.VGG16, keras.applications.vgg16.preprocess_input),
    "resnet50_v1": (keras.applications.ResNet50, keras.applications.resnet.preprocess_input),
}


def randomized(model: Any) -> Any:
    """With biases and running statistics that are not 0 and 1."""
    random = np.random.default_rng(0)
    for layer in model.layers:
        arrays = layer.get_weights()
        if len(arrays) == 4:
            noise = [0.1 * random.standard_normal(array.shape) for array in arrays[:3]]
            layer.set_weights([1 + noise[0], *noise[1:], random.uniform(0.5, 1.5, arrays[3].shape)])
        elif len(arrays) == 2:
            layer.set_weights([arrays[0], 0.1 * random.standard_normal(arrays[1].shape)])
    return model


@pytest.mark.parametrize("name", APPLICATIONS)
@pytest.mark.parametrize("suffix", [".h5", ".keras", ".weights.h5"])
def test_the_network_answers_as_keras_does(tmp_path: Path, name: str, suffix: str) -> None:
    application, preprocess = APPLICATIONS[name]
    model = randomized(application(weights=None, classifier_activation=None))
    pixels = np.random.default_rng(1).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)
    expected = model.predict(preprocess(pixels.astype("float32")), verbose=0)
    path = tmp_path / f"model{suffix}"
    (model.save_weights if suffix == ".weights.h5" else model.save)(path)
    ours = network(name, weights=path).eval()
    inputs = normalized(torch.from_numpy(pixels), preprocessing_for(name, str(path)))
    with torch.no_grad():
        difference = np.abs(ours(inputs).numpy() - expected).max()
    assert difference < 1e-5 * np.abs(expected).max()


def test_a_file_without_its_last_layer_is_for_transfer(tmp_path: Path) -> None:
    model = keras.applications.ResNet50(weights=None, include_top=False)
    model.save(tmp_path / "model.h5")
    module = loaded("resnet50_v1", weights=tmp_path / "model.h5", new_head=True).module
    kernel = torch.from_numpy(model.get_layer("conv2_block1_2_conv").get_weights()[0])
    assert torch.equal(module.layer1[0].conv2.weight, kernel.permute(3, 2, 0, 1))
