import pytest

from convlens import zoo
from convlens.core.errors import UsageError
from convlens.core.preprocessing import Preprocessing
from convlens.zoo.registry import NETWORKS


def test_names_come_in_natural_order():
    families = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "vgg11", "vgg11_bn", "vgg13")
    assert tuple(name for name in zoo.names() if name in families) == families


def test_the_table_cannot_be_changed():
    with pytest.raises(TypeError):
        NETWORKS["mine"] = NETWORKS["house"]


def test_preprocessing_is_that_of_the_weights():
    assert zoo.card("vgg16_bn").preprocessing == Preprocessing(size=224, resize=256)
    assert zoo.card("house").preprocessing == Preprocessing(size=64, resize=64)
    assert zoo.card("house").package_weights
    assert [name for name in zoo.names() if zoo.card(name).package_weights] == ["house"]


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(UsageError, match=r"unknown network 'resnet-50': did you mean resnet50"):
        zoo.network("resnet-50")
    with pytest.raises(UsageError, match="unknown network 'densnet121': did you mean densenet121"):
        zoo.card("densnet121")
