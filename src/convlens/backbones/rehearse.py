"""Rehearse: whether a network that is not the zoo's answers as a trained one must, found out before it is trained."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from convlens.core.errors import UsageError
from convlens.core.progress import Say
from convlens.core.seeds import derived_seed
from convlens.zoo import card, entry, is_adopted, load_weights, refuse_not_finite, serialized, state_in, unloaded

_TOLERANCE = 1e-3
"""Of the largest score: kernels for one image and for two add up in another order."""
_SOFTMAX_TOLERANCE = 1e-5


class _Answers(NamedTuple):
    """Scores of two images, of shape (2, classes), by one module in evaluation mode."""

    together: Tensor
    alone: Tensor
    again: Tensor


def rehearse(name: str, classes: int, size: int, warn: Say) -> None:
    """Run, save and load a module of one's own once, as training and using it will; the zoo's are tested anyway.

    In evaluation mode its answers for an image must be scores for `classes` classes, the same again, the same whatever
    other images are in the batch, and the same from a copy that was saved and loaded. Warns where the scores have
    passed through a softmax, and where its publisher treats images otherwise. Raises UsageError with what differs and
    what to do, and DataError for parameters or buffers with NaN or infinity.
    """
    if not is_adopted(name):
        return
    with torch.random.fork_rng(), torch.inference_mode():
        torch.manual_seed(derived_seed(0, "rehearsal"))
        images = torch.randn(2, 3, size, size)
        module = entry(name).build(classes).eval()
        before = {key: tensor.clone() for key, tensor in module.state_dict().items()}
        refuse_not_finite(before, name)
        answers = _answers(module, images, name, classes)
        _refuse_chance(answers, name)
        _refuse_dependence(answers, name)
        _refuse_changed_state(before, module.state_dict(), name)
        _refuse_loss(module, answers.together, images, name, classes)
    if (note := card(name).input_note) is not None:
        warn(
            f"images for {name} were {note}, so its pretrained weights may do less well. To change this, adopt the "
            "module with your own preprocessing."
        )
    if classes > 1 and _are_probabilities(answers.together):
        warn(
            f"the outputs of {name} are probabilities: it ends in a softmax, and the loss applies another one, which "
            "slows training down and makes all probabilities alike. Remove the softmax from its forward."
        )


def _answers(module: nn.Module, images: Tensor, name: str, classes: int) -> _Answers:
    ran: list[str] = []
    head = module.get_submodule(card(name).head)
    handle = head.register_forward_hook(lambda *_: ran.append(name))
    together = _outputs(module, images, name)
    handle.remove()
    scores = _scores(together, name, classes, head_ran=bool(ran))
    alone = torch.cat([_outputs(module, image[None], name) for image in images])
    return _Answers(scores, alone, _outputs(module, images, name))


def _outputs(module: nn.Module, images: Tensor, name: str) -> Any:
    try:
        return module(images)
    except Exception as error:  # somebody's forward may raise anything
        raise UsageError(
            f"{name} cannot be run on a batch of {len(images)}, with images of {images.shape[-1]} x {images.shape[-2]} "
            f"pixels, in evaluation mode ({type(error).__name__}: {error}). It must take any number of images."
        ) from error


def _scores(output: object, name: str, classes: int, *, head_ran: bool) -> Tensor:
    if not isinstance(output, Tensor):
        raise UsageError(
            f"{name} gives {_described(output)}; training needs one tensor with a score for each class. Wrap it in a "
            "module whose forward returns the scores alone, such as `return self.network(x)[0]` or "
            "`return self.network(x).logits`."
        )
    if not head_ran:
        raise UsageError(
            f"the layer {card(name).head!r} of {name} does not run, and so cannot be its last one. Name the layer that "
            "gives the scores: convlens.adopt(module, head='...')."
        )
    if tuple(output.shape) != (2, classes):
        raise UsageError(
            f"{name} gives outputs of shape {tuple(output.shape)} for two images and {classes} classes; training needs "
            f"scores of shape {(2, classes)}. Its last layer was taken to be {card(name).head!r}: name another one "
            "with convlens.adopt(module, head='...'), or let its forward return the scores alone."
        )
    if not bool(torch.isfinite(output).all()):
        raise UsageError(f"{name} gives scores that are not finite for two random images. Check its weights.")
    return output


def _refuse_chance(answers: _Answers, name: str) -> None:
    if not _alike(answers.together, answers.again):
        raise UsageError(
            f"{name} gives different outputs for the same images: something random, such as noise or dropout, is "
            "active in evaluation mode. Make it depend on self.training, as nn.Dropout does."
        )


def _refuse_dependence(answers: _Answers, name: str) -> None:
    if not _alike(answers.together, answers.alone):
        raise UsageError(
            f"in evaluation mode, the output of {name} for an image depends on the other images of its batch. "
            "Minibatch statistics cause this: batch normalization with track_running_stats=False, or a mean over the "
            "batch."
        )


def _refuse_changed_state(before: Mapping[str, Tensor], after: Mapping[str, Tensor], name: str) -> None:
    if changed := [key for key, tensor in after.items() if not torch.equal(tensor, before[key])]:
        raise UsageError(
            f"{name} changes its own state in evaluation mode ({changed[0]}), so its outputs depend on earlier inputs. "
            "Make the change depend on self.training, as nn.BatchNorm2d does."
        )


def _refuse_loss(module: nn.Module, expected: Tensor, images: Tensor, name: str, classes: int) -> None:
    """Refuse a network that does not come back whole from a file of its weights."""
    head = card(name).head
    loaded = unloaded(name, classes).eval()
    load_weights(loaded, state_in(serialized(module.state_dict()), head), name, head, name=name)
    if not _alike(expected, loaded(images)):
        raise UsageError(
            f"{name} gives different outputs after its weights were saved and loaded: something that its outputs "
            "depend on is neither a parameter nor a buffer. Register it with register_buffer."
        )


def _alike(one: Tensor, other: Tensor) -> bool:
    return bool((one - other).abs().max() <= _TOLERANCE * one.abs().max().clamp(min=1e-6))


def _are_probabilities(scores: Tensor) -> bool:
    return bool((scores >= 0).all()) and bool(((scores.sum(1) - 1).abs() < _SOFTMAX_TOLERANCE).all())


def _described(output: object) -> str:
    if isinstance(output, Mapping):
        return f"a {type(output).__name__} with the keys {', '.join(map(str, output))}"
    return f"a {type(output).__name__}" + (f" of {len(output)}" if isinstance(output, tuple | list) else "")
