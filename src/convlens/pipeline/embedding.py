"""Embeddings: what a network makes of each image before its last layer, through the feature store of training."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from convlens.backbones.graph_cache import cached_capture
from convlens.core.bundle import Bundle
from convlens.core.cache import FeatureNote
from convlens.core.cache_layout import STORE
from convlens.core.errors import DataError, unknown_name
from convlens.core.files import cache_folder
from convlens.core.preprocessing import Preprocessing
from convlens.core.progress import Progress, Say, silent, unsaid
from convlens.core.run import Problem
from convlens.data.image_metadata import ImageMetadataStore
from convlens.data.manifest import ImageFile, Manifest
from convlens.graph.capture import capture
from convlens.graph.graph import Graph
from convlens.graph.run import run
from convlens.graph.split import until
from convlens.pipeline.precision import settled
from convlens.pipeline.prepare import feature_note, prepare
from convlens.pipeline.resolve import resolved_recipe
from convlens.pipeline.trained import is_run, load_run, refuse_swapped
from convlens.transfer.blocks import inside
from convlens.transfer.examples import FeatureExamples
from convlens.transfer.head_stage import HeadExamples
from convlens.transfer.networks import Capture, CutNetwork, cut_network
from convlens.transfer.pooling import pooled
from convlens.transfer.prefix import extract_features
from convlens.zoo import card

BEFORE_THE_HEAD = "backbone"
_CLASSES = 2
"""Of the new head that nothing here reads."""
_BATCH_SIZE = 256


@dataclasses.dataclass(frozen=True, kw_only=True)
class Embedded:
    """Images that could be read, each with a vector."""

    images: tuple[ImageFile, ...]
    vectors: Tensor
    """Of shape (N, D), float32, in the order of the images."""
    outputs: Tensor | None
    """What the network of a run answers, of shape (N, outputs), float32; None of others, and of layers inside."""
    facts: ImageMetadataStore
    problems: tuple[Problem, ...]
    """Files that gave no image, and remarks on some that did."""
    computed: int
    """Images for which the network ran; the others' features were stored."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Embedder:
    """A network that gives vectors: what its last layer reads, or the mean over places of another layer's output."""

    named: str
    """The run folder, or the name of the network."""
    preprocessing: Preprocessing
    precision: str
    prefix: Graph
    note: FeatureNote
    cut: CutNetwork | None
    """None for a layer inside: then the prefix ends with its output."""
    bundle: Bundle | None
    """Of a run."""

    def of(self, images: Sequence[ImageFile], progress: Progress = silent) -> Embedded:
        """The vectors of images, from the store where it has their features; duplicates have one each.

        Raises DataError where none of them can be read.
        """
        manifest = Manifest(folder="", classes=(), images=tuple(images), problems=())
        store = cache_folder() / STORE
        features = extract_features(
            self.prefix, manifest, self.preprocessing, self.precision, store, progress, note=self.note
        )
        usable = manifest.without(features.problems).images
        if not usable:
            first = next(iter(features.problems), None)
            told = f"; the first: {first.file}: {first.detail}" if first else ""
            raise DataError(f"no readable image among {len(images)} file{'s' if len(images) != 1 else ''}{told}.")
        rows = features.table.rows(image.sha256 for image in usable)
        examples = FeatureExamples(rows, torch.zeros(len(usable), dtype=torch.int64), [one.file for one in usable])
        return Embedded(
            images=usable,
            vectors=HeadExamples(self.cut, examples).vectors if self.cut else _means(examples),
            outputs=_outputs(self.cut, examples) if self.cut and self.bundle else None,
            facts=features.facts,
            problems=features.problems,
            computed=features.computed,
        )


def embedder_of(
    named: str | Path,
    *,
    weights: str | Path | None = None,
    size: int | None = None,
    layer: str = BEFORE_THE_HEAD,
    progress: Progress = silent,
    say: Say = unsaid,
) -> Embedder:
    """The embedder of a run folder, or of a network by its name with weights and size as in `train`.

    The features before the head are the ones that training stores: nothing is computed twice. `layer` is a module's
    path as `convlens inspect` shows it. Raises UsageError for unknown names, and what loading raises.
    """
    refuse_swapped(named)
    if is_run(named):
        return _of_run(Path(named).expanduser(), layer)
    recipe = resolved_recipe(None, backbone=str(named), weights=weights, size=size)
    prepared = prepare(recipe, _CLASSES, progress, say)
    recipe = settled(recipe, prepared, Manifest(folder="", classes=(), images=(), problems=()), cache_folder())
    capture = cached_capture(prepared.network, _CLASSES)
    return _embedder(
        _Subject(str(named), prepared.module, card(prepared.network).head, capture, prepared.preprocessing),
        layer,
        precision=recipe.precision,
        note=feature_note(prepared),
        cut=prepared.cut,
    )


def _of_run(folder: Path, layer: str) -> Embedder:
    bundle, module = load_run(folder)
    module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    side, head = bundle.preprocessing.size, card(bundle.backbone).head
    captured = cached_capture(bundle.backbone, len(bundle.classes)) if bundle.head.plain else capture
    subject = _Subject(str(folder), module, head, captured, bundle.preprocessing)
    return _embedder(
        subject,
        layer,
        precision=bundle.precision,
        note=FeatureNote(backbone=bundle.backbone, weights=folder.name, freeze=BEFORE_THE_HEAD, size=side),
        cut=cut_network(module, BEFORE_THE_HEAD, head, _example(side), captured),
        bundle=bundle,
    )


class _Subject(NamedTuple):
    """A network that is to give vectors."""

    named: str
    module: nn.Module
    head: str
    capture: Capture
    preprocessing: Preprocessing


def _embedder(
    subject: _Subject, layer: str, *, precision: str, note: FeatureNote, cut: CutNetwork, bundle: Bundle | None = None
) -> Embedder:
    inner = layer != BEFORE_THE_HEAD
    return Embedder(
        named=subject.named,
        preprocessing=subject.preprocessing,
        precision=precision,
        prefix=_up_to(layer, subject) if inner else cut.prefix,
        note=note.model_copy(update={"freeze": layer}) if inner else note,
        cut=None if inner else cut,
        bundle=bundle,
    )


def _up_to(layer: str, subject: _Subject) -> Graph:
    """The network up to the last output of a module. Raises UsageError where there is no such module."""
    graph = subject.capture(subject.module.eval(), _example(subject.preprocessing.size))
    within = [node for node in graph.operators if layer and inside(node.module, layer)]
    if not within:
        raise unknown_name("layer", layer, sorted({node.module for node in graph.operators if node.module}))
    return until(graph, (within[-1].name,))


def _outputs(cut: CutNetwork, examples: FeatureExamples) -> Tensor:
    with torch.inference_mode():
        parts = [
            cut.logits(run(cut.evaluation.suffix, *examples.batch(indices)), training=False)[0]
            for indices in torch.split(torch.arange(len(examples.labels)), _BATCH_SIZE)
        ]
        return torch.cat(parts).float()


def _means(examples: FeatureExamples) -> Tensor:
    """The mean of each channel over all places, of shape (N, channels), float32."""
    parts = []
    for indices in torch.split(torch.arange(len(examples.labels)), _BATCH_SIZE):
        (one,) = examples.batch(indices)
        parts.append(pooled(one))
    return torch.cat(parts)


def _example(side: int) -> Tensor:
    return torch.zeros(2, 3, side, side)
