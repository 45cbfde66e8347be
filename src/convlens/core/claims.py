"""The claims that studies put to the test: what is claimed, by whom, and by what experiment it is tried."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Claim(NamedTuple):
    """One study, for help texts and pages."""

    title: str
    summary: str
    """Its line in the help."""
    claim: str
    source: str
    experiment: str
    images: bool = True
    """Whether it takes folders of images."""
    larger: str = ""
    """What `--full` measures."""


CLAIMS: Mapping[str, Claim] = MappingProxyType(
    {
        "gradients": Claim(
            title="Vanishing and exploding gradients",
            summary="Measure gradients by layer, for activations and initializations.",
            claim="Through a deep stack of layers gradients vanish or explode; He's initialization keeps those of "
            "rectifiers at their size, and batch normalization keeps activations at theirs whatever the weights.",
            source="Glorot & Bengio, Understanding the difficulty of training deep feedforward neural networks, "
            "AISTATS 2010; He, Zhang, Ren, Sun, Delving Deep into Rectifiers, ICCV 2015, arXiv:1502.01852, section "
            "2.2; Ioffe & Szegedy, Batch Normalization, ICML 2015, arXiv:1502.03167",
            experiment="A stack of equally wide fully connected layers before any training, on random inputs, with a "
            "random gradient at its end. convlens's own backward pass gives the gradient at every layer; the factor by "
            "which it changes from one layer to the next is the slope of its logarithm over depth.",
            images=False,
            larger="five times as many draws of the weights, in wider layers",
        ),
        "depth": Claim(
            title="Deeper plain networks do worse, residual ones do better",
            summary="Train plain and residual networks of 8 to 56 layers.",
            claim="From some depth on, a deeper plain network has the higher error, on its training images too, so it "
            "is not overfitting; with shortcuts over two layers the deeper network has the lower one.",
            source="He, Zhang, Ren, Sun, Deep Residual Learning for Image Recognition, CVPR 2016, arXiv:1512.03385, "
            "section 4.2 and figure 6",
            experiment="Plain and residual networks of equal depth and cost, trained from random weights with the same "
            "steps on the same images, and then evaluated on training and validation images. The size of the gradient "
            "at each convolution is taken before the first step and after the last.",
            larger="32 x 32 pixels, 200 epochs, augmentation: the paper's setting, for the images of CIFAR-10",
        ),
        "shortcuts": Claim(
            title="Shortcuts over two layers are best",
            summary="Compare shortcuts over 1, 2, 3 layers, options A, B, C and pre-activation.",
            claim="For linear residual networks at zero, the condition number of the loss's Hessian does not depend on "
            "depth when shortcuts pass by two layers; by one, it grows without bound, as without shortcuts; by three "
            "or more, the Hessian is zero. Projections as shortcuts gain little over identities, and pre-activation "
            "gains a little more.",
            source="Li, Jiao, Han, Weissman, Demystifying ResNet, arXiv:1611.01186; He, Zhang, Ren, Sun, Deep Residual "
            "Learning, arXiv:1512.03385, section 4.1; Identity Mappings in Deep Residual Networks, arXiv:1603.05027",
            experiment="Linear networks on random data: the Hessian of their squared loss is taken exactly, by "
            "differences of convlens's own gradients (of a polynomial of degree 2 in each weight), and once more by "
            "formula; the ratio of its absolute eigenvalues, by depth. Plain networks are measured at Xavier's and at "
            "orthogonal weights. Then residual networks for small images are trained from random weights, with "
            "shortcuts over 1, 2 and 3 convolutions, with options A, B and C, and with pre-activation.",
            larger="networks of 56 layers for 32 x 32 pixels, 200 epochs, augmentation, and wider and deeper linear "
            "networks",
        ),
    }
)
