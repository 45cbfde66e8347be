"""Stored features are those of the network, for any cut; and the frozen part stays as it is, bit for bit."""

import contextlib
import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from convlens.backbones.graph_cache import cached_capture
from convlens.core.errors import MachineError, UsageError
from convlens.core.preprocessing import Preprocessing
from convlens.core.progress import silent
from convlens.data.batches import decoded_batches, normalized
from convlens.data.manifest import Manifest
from convlens.data.scan import scan
from convlens.graph.graph import Graph
from convlens.graph.run import run
from convlens.transfer import prefix as prefix_module
from convlens.transfer.networks import CutNetwork, cut_network
from convlens.transfer.prefix import ExtractedFeatures, extract_features
from convlens.zoo import card, network
from tests.graph.nets import randomized
from tests.transfer.drawn import draw_folder

SIZE = 64
PREPROCESSING = Preprocessing(size=SIZE, resize=72)
CUTS = {
    "resnet18": ["maxpool", "layer1", "layer2", "layer3", "layer4", "backbone", "layer2.0.conv1", "layer3.1.bn1"],
    "densenet121": [
        "features.pool0",
        "features.denseblock1",
        "features.transition1",
        "features.denseblock2",
        "features.transition2",
        "features.denseblock3",
        "features.transition3",
        "features.denseblock4",
        "backbone",
        "features.denseblock2.denselayer5",
        "features.denseblock3.denselayer7.conv1",
    ],
    "vgg11_bn": ["conv", "backbone"],
}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return scan(draw_folder(tmp_path_factory.mktemp("images") / "shapes", per_class=5))


@pytest.fixture(scope="module")
def modules() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    return {name: network(name, classes=2) for name in CUTS}


def cut(module: nn.Module, name: str, plan: str) -> CutNetwork:
    return cut_network(module, plan, card(name).head, torch.zeros(2, 3, SIZE, SIZE), cached_capture(name, 2))


def inputs(manifest: Manifest) -> Tensor:
    batches = decoded_batches(manifest.images, PREPROCESSING, 32)
    return torch.cat([normalized(batch.pixels, PREPROCESSING) for batch in batches])


def passed(graph: Graph, manifest: Manifest, root: Path, precision: str = "fp32") -> ExtractedFeatures:
    return extract_features(graph, manifest, PREPROCESSING, precision, root, silent)


def stored(done: ExtractedFeatures, manifest: Manifest) -> tuple[Tensor, ...]:
    rows = done.table.rows(image.sha256 for image in manifest.images)
    return rows.batch(torch.arange(len(rows)))


def relative_difference(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max() / b.abs().max())


@pytest.mark.parametrize(("name", "plan"), [(name, plan) for name, plans in CUTS.items() for plan in plans])
def test_stored_features_are_those_of_the_network(
    name: str, plan: str, modules: dict[str, nn.Module], manifest: Manifest, tmp_path: Path
) -> None:
    parts = cut(modules[name], name, plan)
    features = stored(passed(parts.prefix, manifest, tmp_path), manifest)
    x = inputs(manifest)
    with torch.inference_mode():
        for ours, direct in zip(features, run(parts.prefix, x), strict=True):
            assert relative_difference(ours, direct) < 1e-5
        whole = modules[name].eval()(x)
        assert relative_difference(run(parts.evaluation.suffix, *features)[0], whole) < 1e-5


def test_nothing_is_computed_twice_and_new_images_cost_themselves(
    modules: dict[str, nn.Module], manifest: Manifest, tmp_path: Path
) -> None:
    parts = cut(modules["resnet18"], "resnet18", "backbone")
    some = Manifest(folder=manifest.folder, classes=manifest.classes, images=manifest.images[:7], problems=())
    first = passed(parts.prefix, some, tmp_path / "store")
    again = passed(parts.prefix, some, tmp_path / "store")
    more = passed(parts.prefix, manifest, tmp_path / "store")
    assert [(p.computed, p.decoded) for p in (first, again, more)] == [(7, 7), (0, 0), (3, 3)]


def test_other_weights_preprocessing_or_number_format_mean_other_features(
    modules: dict[str, nn.Module], manifest: Manifest, tmp_path: Path
) -> None:
    parts = cut(modules["resnet18"], "resnet18", "maxpool")
    assert passed(parts.prefix, manifest, tmp_path).computed == 10
    assert passed(parts.prefix, manifest, tmp_path, "bf16").computed == 10
    larger = PREPROCESSING.model_copy(update={"resize": 80})
    assert extract_features(parts.prefix, manifest, larger, "fp32", tmp_path, silent).computed == 10
    other = cut(randomized(network("resnet18", classes=2)), "resnet18", "maxpool")
    assert passed(other.prefix, manifest, tmp_path).computed == 10
    assert passed(parts.prefix, manifest, tmp_path).computed == 0


def test_bfloat16_features_are_near(modules: dict[str, nn.Module], manifest: Manifest, tmp_path: Path) -> None:
    parts = cut(modules["resnet18"], "resnet18", "layer1")
    exact = stored(passed(parts.prefix, manifest, tmp_path), manifest)
    short = stored(passed(parts.prefix, manifest, tmp_path, "bf16"), manifest)
    assert short[0].dtype is torch.bfloat16
    assert relative_difference(short[0].float(), exact[0]) < 0.03


def test_rows_that_do_not_fit_into_memory_are_read_from_the_store(
    modules: dict[str, nn.Module], manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prefix_module, "BATCH_SIZE", 3)
    monkeypatch.setattr(prefix_module, "_FLUSH_BYTES", 1)
    parts = cut(modules["resnet18"], "resnet18", "layer2.0.conv1")
    done = passed(parts.prefix, manifest, tmp_path)
    assert len(list(done.table.shards.folder.glob("*.safetensors"))) == 4
    gathered = done.table.rows(image.sha256 for image in manifest.images)
    monkeypatch.setattr("convlens.transfer.features._MEMORY_BUDGET", 0)
    mapped = done.table.rows(image.sha256 for image in manifest.images)
    indices = torch.tensor([8, 0, 3, 3, 9])
    for a, b in zip(gathered.batch(indices), mapped.batch(indices), strict=True):
        assert torch.equal(a, b)


def test_a_disk_without_space_is_refused_before_the_work(
    modules: dict[str, nn.Module], manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: full)
    with pytest.raises(MachineError, match=r"no space left: the features of 10 images need .* CONVLENS_CACHE"):
        passed(cut(modules["resnet18"], "resnet18", "layer1").prefix, manifest, tmp_path)


@pytest.mark.parametrize(("free", "is_enough"), [(170_000, True), (160_000, False)])
def test_pixels_need_room_for_their_borders(
    modules: dict[str, nn.Module], manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free, is_enough
) -> None:
    """Ten images of 72 x 72 pixels in three colors are 155,520 bytes, of which 95% of the free room is kept."""
    space = shutil.disk_usage(tmp_path)._replace(free=free)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: space)
    told = contextlib.nullcontext() if is_enough else pytest.raises(MachineError, match="no space left")
    with told:
        passed(cut(modules["resnet18"], "resnet18", "none").prefix, manifest, tmp_path)


def test_an_unfrozen_network_stores_pixels(modules: dict[str, nn.Module], manifest: Manifest, tmp_path: Path) -> None:
    parts = cut(modules["resnet18"], "resnet18", "none")
    (pixels,) = stored(passed(parts.prefix, manifest, tmp_path), manifest)
    assert pixels.shape == (10, 72, 72, 3)
    assert pixels.dtype is torch.uint8


def test_an_operator_without_kernel_in_bfloat16_is_refused_with_what_to_do(manifest: Manifest, tmp_path: Path) -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.LocalResponseNorm(3), nn.Flatten(), nn.Linear(4 * 62 * 62, 2))
    graph = cut_network(module, "1", "3", torch.zeros(2, 3, SIZE, SIZE)).prefix
    with pytest.raises(
        UsageError, match=r"precision='bf16': .*not implemented for 'BFloat16'.*precision='auto' or fp32"
    ):
        passed(graph, manifest, tmp_path, "bf16")
