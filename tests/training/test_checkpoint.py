"""Going on after a break: at any step, from the newest whole checkpoint, to the same weights bit for bit."""

import contextlib
import dataclasses
import json
import math
import os
import shutil
import signal

import pytest
import torch

from convlens.core.errors import DataError
from convlens.core.progress import silent
from convlens.training.checkpoint import Checkpoints, Course
from convlens.training.loop import fit
from convlens.training.recipe import Recipe
from tests.training.points import Points, model, model_with_everything

TRAIN, VAL = Points(70, 0), Points(20, 1)
RECIPE = Recipe(epochs=3, batch_size=16, learning_rate=0.1, ema=0.9, mixup=0.3, label_smoothing=0.1, warm_up=1.0)
STEPS = 5  # an epoch


class KilledError(Exception):
    """Stands for a process that ends at once."""


def keeper(folder, key="key", seconds=0.0, said=None):
    return Checkpoints(folder, key, seconds=seconds, say=(said if said is not None else []).append)


def trained(checkpoints=None, progress=silent, recipe=RECIPE):
    """What training leaves: all tensors of the model, and the metrics without the times."""
    subject = model_with_everything()
    history = fit(subject, TRAIN, VAL, recipe, progress, checkpoints=checkpoints)
    tensors = {name: tensor.detach().clone() for name, tensor in {**subject.parameters, **subject.buffers}.items()}
    return tensors, [metrics.model_copy(update={"seconds": 0.0}) for metrics in history]


def after(steps, action):
    """A Progress that does something once so many steps were made."""

    @contextlib.contextmanager
    def progress(stage, total):
        done = 0

        def advance(images, note=""):
            nonlocal done
            done += images > 0
            if images and done == steps:
                action()

        yield advance

    return progress


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def kill():
    raise KilledError


def same(one, other):
    (tensors, history), (other_tensors, other_history) = one, other
    assert history == other_history
    assert tensors.keys() == other_tensors.keys()
    for name, tensor in tensors.items():
        assert torch.equal(tensor, other_tensors[name]), name


@pytest.fixture(scope="module")
def whole():
    return trained()


@pytest.mark.parametrize("seconds", [0.0, math.inf])
@pytest.mark.parametrize("steps", [1, 4, 5, 6, 13, 15])
def test_it_goes_on_as_if_nothing_had_happened(tmp_path, whole, steps, seconds):
    """A checkpoint after every step, or after none within the epochs."""
    with pytest.raises(KilledError):
        trained(keeper(tmp_path, seconds=seconds), after(steps, kill))
    same(trained(keeper(tmp_path, seconds=seconds)), whole)


def test_with_checkpoints_after_every_epoch(tmp_path):
    recipe = RECIPE.model_copy(update={"freeze": "none"})
    expected = trained(recipe=recipe)
    with pytest.raises(KilledError):
        trained(keeper(tmp_path, seconds=math.inf), after(2 * STEPS + 2, kill), recipe)
    assert names(tmp_path) == [
        "step-0000000005-epoch-00001",
        "step-0000000010-epoch-00002",
    ]
    same(trained(keeper(tmp_path, seconds=math.inf), recipe=recipe), expected)


def test_many_breaks(tmp_path, whole):
    for _ in range(4):
        with pytest.raises(KilledError):
            trained(keeper(tmp_path), after(3, kill))
    same(trained(keeper(tmp_path)), whole)


def test_a_break_while_a_checkpoint_is_written(tmp_path, whole, monkeypatch):
    files = iter(range(100))

    def flush(number):
        if next(files) == 8:
            raise KilledError

    monkeypatch.setattr(os, "fsync", flush)
    with pytest.raises(KilledError):
        trained(keeper(tmp_path))
    monkeypatch.undo()
    (tmp_path / ".tmp-left-by-a-kill").mkdir()
    assert list(tmp_path.glob("step-*"))
    same(trained(keeper(tmp_path)), whole)
    assert not list(tmp_path.glob(".tmp-*"))


def test_the_last_two_are_kept(tmp_path):
    trained(keeper(tmp_path))
    assert names(tmp_path) == [
        "step-0000000015-epoch-00002",
        "step-0000000015-epoch-00003",
    ]
    files = {"state.safetensors", "course.json", "manifest.json"}
    assert all({file.name for file in path.iterdir()} == files for path in tmp_path.iterdir())


def flip_a_byte(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("file", ["state.safetensors", "course.json", "manifest.json"])
@pytest.mark.parametrize("damage", [flip_a_byte, lambda path: path.write_bytes(b""), lambda path: path.unlink()])
def test_a_damaged_checkpoint_is_skipped_and_said(tmp_path, whole, file, damage):
    with pytest.raises(KilledError):
        trained(keeper(tmp_path), after(9, kill))
    damage(tmp_path / "step-0000000008-epoch-00001" / file)
    said = []
    same(trained(keeper(tmp_path, said=said)), whole)
    (told,) = said
    assert told.startswith(f"the checkpoint {tmp_path / 'step-0000000008-epoch-00001'} was skipped: ")
    assert file in told
    assert (tmp_path / "damaged-step-0000000008-epoch-00001").is_dir()


def test_where_all_are_damaged_it_begins_anew(tmp_path, whole):
    with pytest.raises(KilledError):
        trained(keeper(tmp_path), after(9, kill))
    for path in tmp_path.glob("*/course.json"):
        flip_a_byte(path)
    same(trained(keeper(tmp_path)), whole)


def test_another_training_is_refused(tmp_path):
    with pytest.raises(KilledError):
        trained(keeper(tmp_path), after(2, kill))
    with pytest.raises(DataError, match=r"belongs to another training: .* .* start again with another out"):
        trained(keeper(tmp_path, key="other"))


def test_another_network_is_refused(tmp_path):
    with pytest.raises(KilledError):
        trained(keeper(tmp_path), after(2, kill))
    with pytest.raises(DataError, match="the checkpoint lacks"):
        fit(model(), TRAIN, VAL, RECIPE, silent, checkpoints=keeper(tmp_path))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_writes_one(tmp_path, whole, number):
    def obey(number, frame):
        raise KeyboardInterrupt

    before = signal.signal(number, obey)
    try:
        with pytest.raises(KeyboardInterrupt):
            trained(keeper(tmp_path, seconds=math.inf), after(7, lambda: os.kill(os.getpid(), number)))
        assert signal.getsignal(number) is obey
    finally:
        signal.signal(number, before)
    assert names(tmp_path) == ["step-0000000007-epoch-00001"]
    same(trained(keeper(tmp_path, seconds=math.inf)), whole)


def test_a_signal_while_it_is_judged_writes_one(tmp_path, whole):
    """Between two batches of the evaluation; the weights in it are their average, and must not be the ones saved."""

    def obey(number, frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, obey)
    subject = model_with_everything()
    judged = []

    def forward(x):
        judged.append(len(x))
        os.kill(os.getpid(), signal.SIGTERM)
        return subject.eval_forward(x)

    interrupted = dataclasses.replace(subject, eval_forward=forward, evaluated_at_once=8)
    try:
        with pytest.raises(KeyboardInterrupt):
            fit(interrupted, TRAIN, VAL, RECIPE, silent, checkpoints=keeper(tmp_path, seconds=math.inf))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert judged == [8]
    assert names(tmp_path) == ["step-0000000005-epoch-00000"]
    same(trained(keeper(tmp_path, seconds=math.inf)), whole)


def test_a_loss_that_is_not_finite_leaves_the_last_good_checkpoint(tmp_path):
    broken = Points(70, 0)
    broken.inputs[7] = math.nan
    with pytest.raises(DataError, match=r"the loss became nan in epoch 1, step \d of 5, on point \d+"):
        fit(model_with_everything(), broken, VAL, RECIPE, silent, checkpoints=keeper(tmp_path))
    if saved := keeper(tmp_path).newest():
        assert all(tensor.isfinite().all() for tensor in saved.tensors.values() if tensor.is_floating_point())


def test_weights_that_are_not_finite_are_never_saved(tmp_path):
    subject = model_with_everything()

    def spoil():
        subject.parameters["3.bias"].data[0] = math.inf

    with pytest.raises(DataError, match=r"a weight is no longer a finite number after step 3"):
        fit(subject, TRAIN, VAL, RECIPE, after(3, spoil), checkpoints=keeper(tmp_path))
    assert names(tmp_path) == [
        "step-0000000001-epoch-00000",
        "step-0000000002-epoch-00000",
    ]


def test_the_manifest_tells_the_hashes(tmp_path):
    path = keeper(tmp_path).save(3, Course(step=3), {"a": torch.ones(2)})
    manifest = json.loads((path / "manifest.json").read_text())
    assert manifest["kind"] == "convlens.checkpoint"
    assert set(manifest["sha256"]) == {"state.safetensors", "course.json"}
    saved = keeper(tmp_path).newest()
    assert saved.course == Course(step=3)
    assert torch.equal(saved.tensors["a"], torch.ones(2))
    shutil.rmtree(path)
    assert keeper(tmp_path).newest() is None
