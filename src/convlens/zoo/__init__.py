"""Networks by name: their cards, their structure, their weights."""

from convlens.zoo.build import PACKAGE as PACKAGE
from convlens.zoo.build import blueprint as blueprint
from convlens.zoo.build import network as network
from convlens.zoo.build import refuse_wrong_number as refuse_wrong_number
from convlens.zoo.build import unloaded as unloaded
from convlens.zoo.card import NetworkCard as NetworkCard
from convlens.zoo.entry import Entry as Entry
from convlens.zoo.match import classes_in as classes_in
from convlens.zoo.probe import known_answer as known_answer
from convlens.zoo.probe import refuse_another_answer as refuse_another_answer
from convlens.zoo.published import Accuracy as Accuracy
from convlens.zoo.published import WeightCard as WeightCard
from convlens.zoo.published import class_names as class_names
from convlens.zoo.published import published_accuracy as published_accuracy
from convlens.zoo.published import weight_card as weight_card
from convlens.zoo.published import weight_cards as weight_cards
from convlens.zoo.registry import adopt as adopt
from convlens.zoo.registry import card as card
from convlens.zoo.registry import entry as entry
from convlens.zoo.registry import is_adopted as is_adopted
from convlens.zoo.registry import names as names
from convlens.zoo.weights import load_weights as load_weights
from convlens.zoo.weights import package_weights as package_weights
from convlens.zoo.weights import read_weights as read_weights
from convlens.zoo.weights import serialized as serialized
from convlens.zoo.weights import state_in as state_in
