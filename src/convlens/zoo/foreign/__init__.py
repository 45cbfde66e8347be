"""Weights of other frameworks: Keras's and Caffe's VGG and ResNet, converted to the networks of the zoo.

Nothing in a file is run: HDF5 and protocol buffers are read for their arrays alone.
"""

from convlens.zoo.foreign.layer import Layer as Layer
from convlens.zoo.foreign.translation import is_foreign as is_foreign
from convlens.zoo.foreign.translation import preprocessing_of_foreign as preprocessing_of_foreign
from convlens.zoo.foreign.translation import translated as translated
