"""Embeddings of images, through the store that training fills."""

import numpy as np
import pytest
import torch
from PIL import Image

from convlens.core.errors import DataError, UsageError
from convlens.data.batches import decoded_batches, normalized
from convlens.data.scan import unlabeled_images
from convlens.pipeline.embedding import embedder_of
from convlens.pipeline.trained import load_run
from convlens.tasks.train import train


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Twelve images of noise, of two classes."""
    root = tmp_path_factory.mktemp("embedding") / "images"
    draw = np.random.default_rng(0)
    for name in ("dark", "light"):
        (root / name).mkdir(parents=True)
        for number in range(6):
            pixels = draw.integers(0, 128, (64, 48, 3), dtype=np.uint8) + (128 if name == "light" else 0)
            Image.fromarray(pixels.astype(np.uint8)).save(root / name / f"{number}.png")
    return root


@pytest.mark.parametrize("freeze", ["backbone", "none"])
def test_vectors_of_a_run_are_what_its_head_reads(freeze, folder, tmp_path):
    place = tmp_path / "run"
    train(folder, backbone="house", freeze=freeze, size=64, epochs=1, out=place)
    images, _ = unlabeled_images([folder])
    found = embedder_of(place).of(images)
    assert found.vectors.shape == (12, 256)
    assert [one.file for one in found.images] == [one.file for one in images]
    assert found.computed == (0 if freeze == "backbone" else 12)
    bundle, module = load_run(place)
    embedder = embedder_of(place)
    (batch,) = decoded_batches(images, bundle.preprocessing, 32)
    with torch.inference_mode():
        logits = module.eval()(normalized(batch.pixels, bundle.preprocessing))
        again = module.get_submodule("fc")(embedder.of(images).vectors)
    torch.testing.assert_close(again, logits, rtol=1e-4, atol=1e-4)


def test_a_second_pass_computes_nothing_and_a_network_by_name_shares_features_with_training(folder):
    images, _ = unlabeled_images([folder])
    first = embedder_of("house", size=64).of(images)
    assert embedder_of("house", size=64).of(images).computed == 0
    assert torch.equal(embedder_of("house", size=64).of(images[::-1]).vectors, first.vectors.flip(0))


def test_a_layer_inside_gives_the_means_of_its_maps(folder):
    images, _ = unlabeled_images([folder])
    assert embedder_of("house", size=64, layer="layer1").of(images).vectors.shape == (12, 32)
    with pytest.raises(UsageError, match="layer"):
        embedder_of("house", size=64, layer="layer9")


def test_no_readable_image(tmp_path):
    (tmp_path / "a.png").write_bytes(b"not an image")
    images, problems = unlabeled_images([tmp_path])
    assert not problems
    with pytest.raises(DataError, match=r"no readable image among 1 file; the first: .*a\.png"):
        embedder_of("house", size=64).of(images)
