"""Words on the command line that are no command, no option or no value: what is told of them."""

from collections.abc import Mapping
from typing import Any

from typer.exceptions import TyperException

from convlens.core.errors import UsageError

_ALIASES: Mapping[str, tuple[str, ...]] = {
    "--backbone": ("model", "arch", "architecture", "net", "network", "model-name", "base-model", "encoder"),
    "--batch-size": ("bs", "b", "batch", "batchsize", "train-batch-size", "per-device-train-batch-size"),
    "--learning-rate": ("lr", "lr0", "base-lr", "max-lr", "eta", "alpha"),
    "--size": ("imgsz", "img", "img-size", "image-size", "input-size", "crop-size", "resolution", "img-height"),
    "--epochs": ("epoch", "n-epochs", "num-epochs", "num-train-epochs", "max-epochs", "ep"),
    "--weights": ("checkpoint", "ckpt", "pretrained-weights", "initial-checkpoint", "checkpoint-path", "model-path"),
    "--optimizer": ("opt", "optim"),
    "--schedule": ("sched", "scheduler", "lr-scheduler", "lr-schedule", "cos-lr"),
    "--warm-up": ("warmup", "warmup-epochs", "lr-warmup-epochs"),
    "--weight-decay": ("wd", "l2", "decay"),
    "--dropout": ("drop", "drop-rate", "p-drop"),
    "--label-smoothing": ("smoothing", "ls"),
    "--early-stopping": ("patience", "es"),
    "--class-weights": ("class-weight", "balanced", "balance"),
    "--clip": ("clip-grad", "grad-clip", "gradient-clip-val", "max-norm"),
    "--ema": ("model-ema", "ema-decay"),
    "--erasing": ("reprob", "random-erasing", "random-erase"),
    "--val-fraction": ("val-split", "validation-split", "val-size", "test-size", "valid-pct", "val-ratio"),
    "--labels": ("csv", "labels-csv", "annotations", "label-file", "train-csv"),
    "--precision": ("amp", "fp16", "half", "bf16", "mixed-precision", "dtype"),
    "--device": ("gpu", "gpus", "cuda", "accelerator", "no-cuda", "use-gpu"),
    "--seed": ("random-state", "random-seed", "manual-seed"),
    "--out": ("output", "output-dir", "outdir", "save-dir", "save", "project", "run-dir", "log-dir", "save-path"),
    "--folds": ("cv", "k-fold", "kfold", "n-splits", "num-folds"),
    "--side": ("split", "subset"),
    "--target": ("class", "class-idx", "target-class", "category"),
    "--quiet": ("silent", "verbose", "no-progress"),
}
"""Option of ours -> what other tools call it, without dashes."""
_PRETRAINED = (
    "pretrained weights are used unless --weights random is given; --weights also takes a published set or a file"
)
_NO_OPTION: Mapping[str, str] = {
    **dict.fromkeys(("pretrained", "no-pretrained", "from-scratch", "scratch"), _PRETRAINED),
    **dict.fromkeys(
        ("data", "dataset", "data-dir", "data-path", "dataset-path", "train-dir", "input", "root", "images", "dir"),
        "the folder of images is an argument without a name, such as `convlens train DIR`",
    ),
    **dict.fromkeys(
        ("workers", "num-workers", "j", "n-jobs", "threads", "num-threads"),
        "images are decoded by as many threads as there are processors; the environment variable OMP_NUM_THREADS "
        "limits those of the network",
    ),
    **dict.fromkeys(
        ("num-classes", "classes", "nc", "n-classes"), "classes follow from the folders or from the table (--labels)"
    ),
    **dict.fromkeys(
        ("val-dir", "valid-dir", "test-dir", "val", "valid"),
        "validation images lie in DIR/val, or are held out by themselves (--val-fraction)",
    ),
}
"""What other tools have an option for and convlens does otherwise."""


def usage_error(error: TyperException) -> UsageError:
    """For words on the command line that are no command, no option or no value."""
    context = getattr(error, "ctx", None)
    command = context.command_path.replace("python -m convlens", "convlens") if context else "convlens"
    message = _message(error, context)
    end = "" if message.endswith((".", "?")) else "."
    return UsageError(f"{message[0].lower()}{message[1:]}{end} See `{command} --help`.")


def _message(error: TyperException, context: Any) -> str:
    option = getattr(error, "option_name", None)
    if option is not None and hasattr(error, "possibilities"):
        return _of_unknown_option(option, error.possibilities or (), context)
    if (fault := _fault(error.__cause__)) and (parameter := getattr(error, "param", None)):
        return f"invalid value for {parameter.get_error_hint()}: {fault}"
    return error.format_message()


def _of_unknown_option(option: str, near: Any, context: Any) -> str:
    """What the option is called here, or which options have a name like it."""
    name = option.lstrip("-").replace("_", "-").lower()
    shown = _options(context)
    if name in _NO_OPTION:
        return f"no such option: {option}: {_NO_OPTION[name]}"
    meant = next((ours for ours, others in _ALIASES.items() if name in others and ours in shown), None)
    if meant is not None:
        return f"no such option: {option}. It is called {meant} here"
    likely = [one for one in near if one in shown]
    return f"no such option: {option}" + (f". Did you mean {' or '.join(likely)}?" if likely else "")


def _options(context: Any) -> set[str]:
    """The options of a command that its help shows."""
    if context is None:
        return set()
    found = (one for one in context.command.get_params(context) if not getattr(one, "hidden", False))
    return {name for one in found for name in (*one.opts, *one.secondary_opts)}


def _fault(cause: BaseException | None) -> str:
    """What is wrong with a value that typer could not convert; "" where it says that itself."""
    from pydantic import ValidationError

    from convlens.core.validation import fault_of

    if not isinstance(cause, ValidationError):
        return ""
    first = cause.errors(include_url=False)[0]
    return f"{first['input']!r} {fault_of(first)}"
