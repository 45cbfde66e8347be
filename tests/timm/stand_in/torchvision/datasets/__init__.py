"""Data sets that timm names in a table, and nobody reads here."""


class ImageFolder:
    """Reads nothing."""


CIFAR10 = CIFAR100 = FashionMNIST = KMNIST = MNIST = ImageFolder
