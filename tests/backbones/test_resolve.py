"""Networks by name, with published weights from a local server."""

import contextlib
import hashlib
import io
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from pytest_httpserver import HTTPServer
from torch import nn

from convlens import zoo
from convlens.backbones.resolve import network
from convlens.comparison.shared_training import SharedTraining
from convlens.core.errors import DataError, IntegrityError, NetworkError
from convlens.core.files import cache_folder
from convlens.core.progress import Advance
from convlens.data.scan import scan
from convlens.tasks.train import train
from convlens.training.recipe import Recipe
from convlens.zoo import fetch, published
from convlens.zoo.fetch import fetched_weights, kept_weights
from tests.images import TINY, draw_images


@pytest.fixture
def trained() -> nn.Module:
    torch.manual_seed(5)
    return zoo.network("squeezenet1_1")


@pytest.fixture
def content(trained: nn.Module) -> bytes:
    """As published: a pickle of tensors."""
    file = io.BytesIO()
    torch.save(trained.state_dict(), file)
    return file.getvalue()


@pytest.fixture
def card(httpserver: HTTPServer, content: bytes, monkeypatch: pytest.MonkeyPatch) -> zoo.WeightCard:
    name = "squeezenet1_1"
    card = zoo.weight_card("resnet18", "imagenet").model_copy(
        update={
            "network": name,
            "name": "imagenet",
            "file": f"{name}.pth",
            "url": httpserver.url_for(f"/models/{name}.pth"),
            "sha256": hashlib.sha256(content).hexdigest()[:8],
        }
    )
    monkeypatch.setattr(published, "_cards", lambda network: (card,) if network == name else ())
    return card


@pytest.fixture
def serving(httpserver: HTTPServer, card: zoo.WeightCard, content: bytes) -> HTTPServer:
    httpserver.expect_request(f"/models/{card.file}").respond_with_data(content)
    return httpserver


@pytest.fixture
def silent_server(httpserver: HTTPServer) -> HTTPServer:
    return httpserver  # answers 500 to all it was not told of


def same(one: nn.Module, other: nn.Module) -> bool:
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def test_downloaded_once_then_offline(serving: HTTPServer, card: zoo.WeightCard, trained: nn.Module) -> None:
    assert same(network(card.network, weights="imagenet"), trained)
    assert same(network(card.network, weights="imagenet"), trained)
    assert len(serving.log) == 1
    assert kept_weights(card).is_file()
    assert not list((cache_folder() / "weights" / "downloads").glob("*.pth"))


def test_a_byte_flipped_in_the_cache_is_refused_and_mended(
    serving: HTTPServer, card: zoo.WeightCard, trained: nn.Module
) -> None:
    network(card.network, weights="imagenet")
    kept = kept_weights(card)
    content = bytearray(kept.read_bytes())
    content[-5] ^= 1
    kept.write_bytes(content)
    with pytest.raises(IntegrityError, match=r"Remove .*squeezenet1_1-imagenet.*\.safetensors: it is made again"):
        network(card.network, weights="imagenet")
    kept.unlink()
    assert same(network(card.network, weights="imagenet"), trained)
    assert len(serving.log) == 2


def test_a_cache_of_before_is_taken_as_it_is(serving: HTTPServer, card: zoo.WeightCard, trained: nn.Module) -> None:
    network(card.network, weights="imagenet")
    kept_weights(card).with_suffix(".sha256").unlink()
    assert same(network(card.network, weights="imagenet"), trained)
    assert len(serving.log) == 1


def test_a_file_put_there_by_hand_is_taken_and_left(card: zoo.WeightCard, content: bytes, trained: nn.Module) -> None:
    own = cache_folder() / "weights" / card.file
    own.parent.mkdir(parents=True)
    own.write_bytes(content)
    assert same(network(card.network, weights="imagenet"), trained)
    assert own.read_bytes() == content


def test_a_wrong_file_put_there_by_hand_is_refused_and_left(card: zoo.WeightCard) -> None:
    own = cache_folder() / "weights" / card.file
    own.parent.mkdir(parents=True)
    own.write_bytes(b"another file")
    with pytest.raises(IntegrityError, match=r"Remove .*/"):
        fetched_weights(card)
    assert own.exists()


def test_a_wrong_download_is_never_parsed(
    serving: HTTPServer, card: zoo.WeightCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "read_weights", lambda path: pytest.fail("parsed"))
    with pytest.raises(IntegrityError, match="refused"):
        fetched_weights(card.model_copy(update={"sha256": "00000000"}))
    assert not list((cache_folder() / "weights").rglob("*.safetensors"))


def test_offline_says_what_to_fetch_and_where_to_put_it(silent_server: HTTPServer, card: zoo.WeightCard) -> None:
    gone = card.model_copy(update={"file": "weights.pth", "url": silent_server.url_for("/gone/weights.pth")})
    silent_server.expect_request("/gone/weights.pth").respond_with_data("no", status=404)
    place = cache_folder() / "weights" / "weights.pth"
    with pytest.raises(NetworkError, match=r"Without a network: fetch http.*weights\.pth elsewhere") as caught:
        fetched_weights(gone)
    assert str(place) in str(caught.value)


def test_weights_of_another_network_are_not_kept(httpserver: HTTPServer, card: zoo.WeightCard, content: bytes) -> None:
    httpserver.expect_request(f"/models/{card.file}").respond_with_data(content)
    wrong = card.model_copy(update={"network": "resnet18"})
    with pytest.raises(DataError, match="does not fit resnet18"):
        fetched_weights(wrong)
    assert not kept_weights(wrong).exists()


def test_paths_are_never_taken_for_names(tmp_path: Path, trained: nn.Module) -> None:
    path = tmp_path / "imagenet.pth"
    torch.save(trained.state_dict(), path)
    name = "squeezenet1_1"
    assert same(network(name, weights=str(path)), trained)


class Stages:
    """A progress that remembers how much of each stage there was, and was done."""

    def __init__(self) -> None:
        self.total: dict[str, int] = {}
        self.done: Counter[str] = Counter()

    @contextlib.contextmanager
    def __call__(self, stage: str, total: int) -> Iterator[Advance]:
        self.total[stage] = total
        yield lambda steps, note="": self.done.update({stage: steps})


def test_a_run_starts_from_published_weights(
    serving: HTTPServer, card: zoo.WeightCard, content: bytes, tmp_path: Path
) -> None:
    folder = draw_images(tmp_path / "images")
    options = {**TINY, "weights": "imagenet", "size": 64}
    progress = Stages()
    record = train(folder, backbone=card.network, out=tmp_path / "run", progress=progress, **options)  # type: ignore[arg-type]
    assert progress.done["download"] == progress.total["download"] == len(content)
    assert (record.weights.source, record.weights.name) == ("published", kept_weights(card).name)
    assert "published, downloaded and verified" in (tmp_path / "run" / "report.html").read_text()


def test_a_comparison_shows_what_it_downloads(
    serving: HTTPServer, card: zoo.WeightCard, content: bytes, tmp_path: Path
) -> None:
    progress = Stages()
    recipe = Recipe(backbone=card.network, weights="imagenet")
    SharedTraining(scan(draw_images(tmp_path / "images")), progress).divided(recipe)
    assert progress.done["download"] == progress.total["download"] == len(content)
