"""The head by itself: what it reads, computed once for every image, and the model that it is then."""

import torch
from torch import Tensor, nn

from convlens.core.errors import UsageError
from convlens.core.settings import setting
from convlens.graph.run import run
from convlens.training.examples import Examples
from convlens.training.learner import Model
from convlens.training.objective import Objective
from convlens.transfer.blocks import inside
from convlens.transfer.device import device_of
from convlens.transfer.networks import CutNetwork
from convlens.transfer.pooling import pooled

_BATCH_SIZE = 256
_CONVOLVING_BATCH_SIZE = 32
"""Where layers that convolve come before the head: the outputs of one for 256 images may not fit into a GPU."""


class HeadExamples:
    """What the head reads of labeled images, in memory."""

    def __init__(self, cut: CutNetwork, examples: Examples) -> None:
        """Runs the network, as it is used, up to its head on all `examples`."""
        self.labels = examples.labels
        self.files = examples.files
        graph = cut.without_head(cut.evaluation.suffix)
        device = device_of(graph)
        convolves = any(node.operator.startswith("aten.conv") for node in graph.operators)
        batch_size = _CONVOLVING_BATCH_SIZE if convolves else _BATCH_SIZE
        parts = []
        with torch.inference_mode():
            for indices in torch.split(torch.arange(len(examples.labels)), batch_size):
                inputs = (one.to(device) for one in examples.batch(indices))
                parts.append(run(graph, *inputs)[0].cpu())
        self.inputs = torch.cat(parts).clone()
        """Of shape (N, features), float32."""

    @property
    def vectors(self) -> Tensor:
        """The inputs as one vector for each image, of shape (N, D)."""
        return pooled(self.inputs)

    def batch(self, indices: Tensor) -> tuple[Tensor, ...]:
        """One tensor of shape (len(indices), features)."""
        return (self.inputs[indices],)


def head_model(cut: CutNetwork, objective: Objective) -> Model:
    """The head as a model of its own. Raises UsageError where the network does not end in linear layers."""
    head = cut.module.get_submodule(cut.head)
    if not isinstance(head, nn.Linear | nn.Sequential):
        raise UsageError(
            f"the head {cut.head!r} of this network is a {type(head).__name__}, not a linear layer: it cannot be "
            f"trained by itself. Leave {setting('head_epochs')}, {setting('head', 'ridge')} and "
            f"{setting('head', 'logistic')} out."
        )
    return Model(
        train_forward=lambda x: (head.train()(x),),
        eval_forward=lambda x: (head.eval()(x),),
        parameters={name: p for name, p in cut.trained_parameters.items() if inside(name, cut.head)},
        buffers={f"{cut.head}.{name}": buffer for name, buffer in head.named_buffers()},
        objective=objective,
        device=next(head.parameters()).device.type,
    )
