"""Prints the table of probes: `make probes` writes it to src/convlens/zoo/probes.tsv.

Sets of weights that are not on this machine keep the line that they have: nothing is downloaded.
"""

from collections.abc import Iterator

from convlens.zoo import PACKAGE, card, known_answer, names, network, package_weights, weight_cards
from convlens.zoo.fetch import kept_weights, verified_package
from convlens.zoo.probe import answer, line

HEADER = "# network, set of weights, what it answers to the fixed input of zoo/probe.py. Made by `make probes`."


def lines() -> Iterator[str]:
    """The lines of the table, in the order of the networks' names."""
    for name in names():
        known = card(name)
        files = {PACKAGE: package_weights(known)} if known.package_weights else {}
        for one in weight_cards(name).values():
            if (file := verified_package(one) or kept_weights(one)).is_file():
                files[one.name] = file
            elif (kept := known_answer(name, one.name)) is not None:
                yield line(name, one.name, kept)
        for weights, file in files.items():
            yield line(name, weights, answer(network(name, weights=file), known))


if __name__ == "__main__":
    print(HEADER)
    for each in lines():
        print(each)
