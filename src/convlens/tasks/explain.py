"""Explain: a network of the zoo, a run, or any module, at work on one input; as a page."""

import dataclasses
import html
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from convlens.backbones.resolve import RANDOM, network, preprocessing_for, weights_named
from convlens.backbones.timm_networks import OWN, built_name
from convlens.core.errors import DataError, UsageError, unknown_name
from convlens.core.explanation import Explanation, Flow, Guess
from convlens.core.preprocessing import Preprocessing
from convlens.core.progress import Progress, Say, silent, unsaid
from convlens.core.settings import setting
from convlens.data.batches import normalized, read_and_decode
from convlens.data.decode import BadImage
from convlens.explanation.explain import Plan, flow_of
from convlens.explanation.explain import explain as explain_module
from convlens.explanation.sample import sample_image
from convlens.explanation.target import Readout, likeliest
from convlens.graph.capture import capture
from convlens.graph.split import same_place, split
from convlens.pipeline.trained import is_run, load_run, refuse_swapped
from convlens.report.explain import explanation_page, write_explanation_page
from convlens.report.run_folder import read_run
from convlens.report.run_report import explained_page, write_run_report
from convlens.training.recipe import Recipe
from convlens.training.task import Task
from convlens.training.tasks import task_of
from convlens.transfer.freeze import freeze_plan
from convlens.zoo import card, class_names

_FRAME_HEIGHT = 720
_LEARNED_NOTHING = (
    "Its weights are random: it has learned nothing, so what it answers has no meaning and no class is named."
)


@dataclasses.dataclass(frozen=True)
class ExplanationPage:
    """An explanation with its page; in a notebook it shows itself."""

    explanation: Explanation

    def save(self, path: str | Path) -> Path:
        """The path of the page, one HTML file that works offline."""
        return write_explanation_page(self.explanation, Path(path).expanduser())

    def _repr_html_(self) -> str:
        page = html.escape(explanation_page(self.explanation), quote=True)
        return f'<iframe srcdoc="{page}" style="width:100%;height:{_FRAME_HEIGHT}px;border:0"></iframe>'


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Subject:
    """What is explained: a network in evaluation mode, and what its input and output mean."""

    name: str
    module: nn.Module
    classes: Sequence[str]
    input_shape: tuple[int, ...]
    preprocessing: Preprocessing
    readout: Readout | None = None
    """How the outputs of a run are read."""
    plan: Plan | None = None
    learned: bool = True
    """Whether its weights are trained ones: the classes of random ones are none."""


def explain(
    network: str | Path | nn.Module,
    image: str | Path | Tensor | None = None,
    *,
    target: str | int | None = None,
    weights: str | Path | None = None,
    size: int | None = None,
    versus: str | None = None,
    classes: Sequence[str] = (),
    shown_image: Tensor | None = None,
    progress: Progress = silent,
    say: Say = unsaid,
) -> ExplanationPage:
    """A network at work on one input: graph, values, gradients, receptive fields, why this class; as a page.

    `network` is a name of the zoo, a run folder, or any module (taken in evaluation mode; it stays as it was); `image`
    an image file, or a tensor of shape (1, ...) as the network takes it; without one, a drawn image. `target` is a
    class or label, by name or number, by default the most likely one; or a number that a run predicts, by default the
    first. `versus` names another network of the zoo, whose gradient flow is drawn beside this one's, with random
    weights where this one has random ones. `weights` and `size` are as in `train`, for networks of the zoo; one
    without published weights is explained with random ones, and the page says so. `say` receives what was done to make
    a file of weights fit.

    A module brings no names: `classes` are those of its outputs, and `shown_image`, of shape (1 or 3, height, width)
    and values in 0..1, is what the page shows instead of its input, whose values are stretched from black to white.

    Raises UsageError for unknown names and classes, and for what belongs to the other kind of network, and DataError
    for a file that gives no image.
    """
    if isinstance(network, nn.Module):
        if not isinstance(image, Tensor):
            raise UsageError("a module is explained on a tensor: also give its input, of shape (1, ...).")
        if weights is not None or size is not None:
            raise UsageError("a module has its own weights, and its input sets the size; leave weights and size out.")
        return ExplanationPage(
            explain_module(
                network,
                image,
                target=_number(target, classes),
                classes=classes,
                image=shown_image,
                versus=_versus(versus, image, progress) if versus else None,
            )
        )
    if classes or shown_image is not None:
        raise UsageError(f"classes and shown_image are for your own modules; {network} has its own.")
    refuse_swapped(network, *([] if image is None or isinstance(image, Tensor) else [image]))
    subject = _subject(network, weights, size, progress, say)
    x, shown = _input(subject, image)
    flow = _versus(versus, image, progress, RANDOM if weights == RANDOM else None) if versus else None
    explanation = _explained(subject, x, shown, _number(target, subject.classes), versus=flow)
    if not subject.learned:
        explanation = explanation.model_copy(update={"guesses": [], "notes": [*explanation.notes, _LEARNED_NOTHING]})
    return ExplanationPage(explanation)


def explain_mistakes(run: str | Path, count: int, progress: Progress = silent) -> list[Path]:
    """The pages of a run's worst mistakes, at most `count` of them, in its folder; its report then links to them.

    Each is explained by the class that was wrongly predicted, the wrong label that the network was surest of, or the
    number that is farthest off. Raises UsageError for what is not a run folder, and for images that were moved.
    """
    refuse_swapped(run)
    folder = Path(run).expanduser()
    subject, task = _run(folder)
    record = read_run(folder)
    pages = []
    with progress("explain", min(count, len(record.mistakes))) as advance:
        for mistake in record.mistakes[:count]:
            x, shown_image = _input(subject, Path(record.folder) / mistake.file)
            target = subject.classes.index(task.mistaken(mistake))
            explanation = _explained(subject, x, shown_image, target)
            note = f"{mistake.file} is {mistake.true or 'none'}; the network predicts {mistake.predicted or 'none'}."
            noted = explanation.model_copy(update={"notes": [note, *explanation.notes]})
            pages.append(write_explanation_page(noted, folder / explained_page(mistake)))
            advance(1)
    write_run_report(folder)
    return pages


def _explained(
    subject: _Subject, x: Tensor, shown_image: Tensor | None, target: int | None, versus: Flow | None = None
) -> Explanation:
    return explain_module(
        subject.module,
        x,
        name=subject.name,
        target=target,
        classes=subject.classes if subject.learned else (),
        image=shown_image,
        plan=subject.plan,
        readout=subject.readout,
        versus=versus,
    )


def _subject(
    name: str | Path, weights: str | Path | None, size: int | None, progress: Progress, say: Say = unsaid
) -> _Subject:
    if is_run(name):
        if weights is not None or size is not None:
            raise UsageError(
                f"a run has its own weights and size; leave {setting('weights')} and {setting('size')} out."
            )
        return _run(Path(name).expanduser())[0]
    chosen = weights_named(str(name), weights) or RANDOM
    known = card(str(name) if size is None else built_name(str(name), size, OWN))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = network(known.name, weights=chosen, progress=progress, say=say).eval()
    classes = [one.names[0] for one in class_names(known.data)] if known.data else []
    number = len(module.get_parameter(f"{known.head}.weight"))
    channels, *sides = known.input_shape
    if size is not None and size < known.least_size:
        raise UsageError(
            f"{setting('size', size)}: the input of {known.name} needs a side of at least {known.least_size}."
        )
    return _Subject(
        name=known.name,
        module=module,
        classes=classes if len(classes) == number else (),
        input_shape=(channels, *(size or side for side in sides)),
        preprocessing=preprocessing_for(known.name, chosen).at(size or sides[-1]),
        learned=chosen != RANDOM,
    )


def _run(folder: Path) -> tuple[_Subject, Task]:
    """A run, and what it has learned."""
    bundle, module = load_run(folder)
    module.eval()
    run = read_run(folder)
    side = bundle.preprocessing.size
    example = torch.zeros(1, 3, side, side)
    graph = capture(module, example, compare=False)  # asked for places alone; explain captures what it computes with
    plan = freeze_plan(module, graph, run.freeze.plan, card(bundle.backbone).head, Recipe.of(**run.recipe).unfreeze)
    crossings = [node.name for node in split(graph, plan.frozen).crossings]
    of_one = capture(module, example, free_batch=False, compare=False)
    task = task_of(bundle)
    subject = _Subject(
        name=f"{folder.name} ({bundle.backbone})",
        module=module,
        classes=bundle.classes,
        input_shape=(3, side, side),
        preprocessing=bundle.preprocessing,
        readout=_readout(task),
        plan=Plan(plan.frozen, same_place(graph, of_one, crossings)),
    )
    return subject, task


def _readout(task: Task) -> Readout:
    def guesses(outputs: Tensor) -> list[Guess]:
        (row,) = task.answers(outputs.float()).tolist()
        numbers = [Guess(name=name, number=number) for name, number in task.numbers(row).items()]
        return numbers or likeliest(task.probabilities(row))

    return Readout(text=task.explained, chosen=task.chosen, guesses=guesses)


def _input(subject: _Subject, image: str | Path | Tensor | None) -> tuple[Tensor, Tensor | None]:
    """The network's input, and the image in 0..1 where it is one."""
    if isinstance(image, Tensor):
        return image, None
    channels, *sides = subject.input_shape
    if channels not in (1, 3) or len(sides) != 2:
        if image is not None:
            raise UsageError(f"{subject.name} takes input of shape {subject.input_shape}, not images; leave it out.")
        return torch.randn(1, *subject.input_shape, generator=torch.Generator().manual_seed(0)), None
    shown_image = sample_image(sides[0]) if image is None else _decoded(Path(image).expanduser(), subject.preprocessing)
    if channels == 1:
        gray = shown_image.mean(0, keepdim=True)
        return gray[None], gray
    return normalized(
        (shown_image * 255).round().to(torch.uint8).permute(1, 2, 0)[None], subject.preprocessing
    ), shown_image


def _decoded(path: Path, preprocessing: Preprocessing) -> Tensor:
    """RGB values in 0..1 of shape (3, size, size)."""
    if path.is_dir():
        raise UsageError(f"{path} is a folder, and one image is explained at a time. Give an image file in it.")
    if not path.is_file():
        raise UsageError(f"no such image: {path}.")
    outcome = read_and_decode(path, preprocessing)
    if isinstance(outcome, BadImage):
        raise DataError(f"{path} is not a readable image: {outcome.reason}, {outcome.detail}.")
    return torch.from_numpy(outcome.pixels).permute(2, 0, 1).float() / 255


def _number(target: str | int | None, classes: Sequence[str]) -> int | None:
    """The class's number; the passes refuse one that there is not."""
    if target is None or isinstance(target, int):
        return target
    if target in classes:
        return list(classes).index(target)
    if target.isdigit():
        return int(target)
    raise unknown_name("class, label or number", target, classes)


def _versus(name: str, image: str | Path | Tensor | None, progress: Progress, weights: str | None = None) -> Flow:
    other = _subject(name, weights, None, progress)
    return flow_of(other.module, _input(other, image)[0], name=other.name)
