"""The claims that studies put to the test: what is claimed, by whom, and by what experiment it is tried."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

STUDIES_FOLDER = Path("studies")
"""Where the folders of studies lie, unless said otherwise."""
STUDY_PAGE = "study.html"
INDEX_PAGE = "index.html"


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
        "transfer": Claim(
            title="When transfer helps",
            summary="Compare transfer with training from scratch, by number of images.",
            claim="Pretrained layers beat new ones on few images, and the gap closes with more. General layers "
            "transfer and specific ones less, so that the last ones are worth training anew. With few images the "
            "layers are best kept fixed, with more all are best trained at a tenth of the rate.",
            source="Yosinski, Clune, Bengio, Lipson, How transferable are features in deep neural networks?, NIPS "
            "2014, arXiv:1411.1792; Karpathy, Johnson, Li, CS231n, Transfer Learning",
            experiment="One network on growing parts of the same images: with pretrained layers frozen, with the last "
            "blocks or all layers trained at a tenth of the head's rate, and from scratch at the usual rate for that. "
            "Then with pretrained, frozen layers up to a cut and newly drawn ones above it.",
            larger="224 pixels, up to 1,000 images of each class, 60 epochs, augmentation",
        ),
        "dense": Claim(
            title="Dense connections need fewer parameters",
            summary="Compare DenseNets and ResNets of five sizes.",
            claim="A network whose layers read what all layers before them made is as accurate as a residual one with "
            "fewer parameters and fewer multiply-adds; its layers do use what early ones made.",
            source="Huang, Liu, van der Maaten, Weinberger, Densely Connected Convolutional Networks, CVPR 2017, "
            "arXiv:1608.06993, figures 4 and 5",
            experiment="DenseNets with bottlenecks and residual networks, five sizes of each, trained from random "
            "weights with the same steps on the same images. At equal parameters, and at equal multiply-adds, the "
            "residual networks' error is read off between their two nearest sizes. The heat maps show the mean "
            "absolute weight by which each layer of the largest DenseNet reads each source.",
            larger="32 x 32 pixels, 200 epochs, augmentation",
        ),
        "features": Claim(
            title="Off-the-shelf features with a linear model",
            summary="Fit linear models after every part of a pretrained network.",
            claim="Features of a network that was trained on ImageNet, with nothing but a linear model on them, are a "
            "hard baseline for other sets of images; the later the layer, the better.",
            source="Razavian, Azizpour, Sullivan, Carlsson, CNN Features off-the-shelf: an Astounding Baseline for "
            "Recognition, CVPR workshops 2014, arXiv:1403.6382; Donahue et al., DeCAF, ICML 2014, arXiv:1310.1531",
            experiment="Sets of classes that have none in common, drawn from the folders. Logistic regression, with "
            "the same weight decay everywhere, on the mean over places of what each part of the network gives; on "
            "pixels; and a residual network of 20 layers trained from scratch on the same images.",
            larger="224 pixels, ten sets, 100 images of each class",
        ),
        "tricks": Claim(
            title="Training tricks, alone and together",
            summary="Try batch normalization, dropout and augmentation from scratch.",
            claim="Batch normalization, dropout and augmentation each improve a small convolutional network that is "
            "trained from scratch on few images, and together they do most.",
            source="Ioffe & Szegedy, Batch Normalization, ICML 2015, arXiv:1502.03167; Srivastava et al., Dropout, "
            "JMLR 15, 2014; the course's demonstration of training tricks",
            experiment="A network of two convolutions and a linear layer, from random weights: as it is, with each "
            "trick, and with all three. The same images, steps and seeds for all.",
            larger="all images of ten classes, 100 epochs, ten seeds",
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
        "sgd": Claim(
            title="Minibatch gradients are noisy, and pay",
            summary="Measure the noise of minibatch gradients, and train at equal cost.",
            claim="The gradient of a random minibatch has the full gradient as its mean, and the noise around it falls "
            "with the root of the batch size; at equal cost, in images passed, stochastic gradient descent gets "
            "further than full-batch descent.",
            source="Robbins & Monro, A Stochastic Approximation Method, Annals of Mathematical Statistics 22, 1951; "
            "LeCun, Bottou, Orr, Müller, Efficient BackProp, 1998, section 4.1; Bottou, Curtis, Nocedal, Optimization "
            "Methods for Large-Scale Machine Learning, SIAM Review 60, 2018, arXiv:1606.04838, sections 3 and 4",
            experiment="At random weights, convlens's own backward pass gives the gradient of the mean loss over all "
            "training images with respect to all parameters, and those of minibatches drawn with replacement; what the "
            "noise must be is foretold from the gradients of single images. Then both networks are trained without "
            "momentum, weight decay, augmentation and schedule, by minibatches and by all images at once, for the same "
            "number of epochs and each at the best of several learning rates. The loss that counts is that on all "
            "training images after the last step; that of an epoch is the mean over its steps, each before it is made. "
            "A run that diverges counts as guessing.",
            larger="ten times as many images, 30 epochs, more batch sizes and learning rates",
        ),
        "dilation": Claim(
            title="Dilated convolutions see far",
            summary="Measure fields of dilated convolutions, and what they learn from afar.",
            claim="Dilations 1, 2, 4, 8, ... give a receptive field that grows exponentially with depth, while cost "
            "grows linearly and no resolution is lost. Within the field most of the effect comes from near its "
            "center: it spreads with the root of the number of plain layers, and farther with training.",
            source="Yu & Koltun, Multi-Scale Context Aggregation by Dilated Convolutions, ICLR 2016, "
            "arXiv:1511.07122; van den Oord et al., WaveNet, arXiv:1609.03499; Luo, Li, Urtasun, Zemel, Understanding "
            "the Effective Receptive Field in Deep Convolutional Neural Networks, NIPS 2016, arXiv:1701.04128",
            experiment="Stacks of 3x3 convolutions with rectifiers, equally wide: plain, dilated, and with stride 2; "
            "and causal ones of 2 taps over time. The computed receptive field is held against the span of the input "
            "that has a gradient, by convlens's own backward pass, and the spread σ of the squared gradient over the "
            "columns against theory. Then networks that read the center decide whether "
            "two marks at a distance to its left and right have the same color, of which one alone tells nothing; and "
            "causal ones read the last step of a random signal and tell its value some steps before. Where that lies "
            "outside the field, nothing is left but to guess. The reach of a stack is how far it sees to each side, or "
            "back.",
            images=False,
            larger="6 layers that learn, 8 in the comparison of fields, five times as many images, 10 seeds",
        ),
    }
)
