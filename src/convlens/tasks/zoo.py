"""The zoo: every network with its source, costs, receptive field and published accuracy."""

from convlens.core.catalog import Catalog, CatalogLine
from convlens.core.inspection import Inspection
from convlens.tasks.inspect import inspect
from convlens.zoo import PACKAGE, WeightCard, card, names, published_accuracy, weight_cards
from convlens.zoo.counts import Counts, counts


def zoo() -> Catalog:
    """All networks, in natural order of their names."""
    return Catalog(networks=[catalog_line(name) for name in names()])


def catalog_line(name: str) -> CatalogLine:
    """The line of one network. Raises UsageError for an unknown name."""
    known, counted, accuracy = card(name), counts(name), published_accuracy(name)
    return CatalogLine(
        name=name,
        year=known.year,
        paper=known.paper,
        input_shape=known.input_shape,
        output=known.output,
        parameters=counted.parameters,
        multiply_adds=counted.multiply_adds,
        receptive_field=counted.receptive_field,
        data=accuracy.data if accuracy else known.data,
        top1=accuracy.top1 if accuracy else None,
        top5=accuracy.top5 if accuracy else None,
        accuracy_source=accuracy.source if accuracy else None,
        accuracy_note=accuracy.note if accuracy else None,
        weights=(*((PACKAGE,) if known.package_weights else ()), *weight_cards(name)),
    )


def published_sets(name: str) -> list[WeightCard]:
    """The cards of the sets of weights that others have published for a network."""
    return list(weight_cards(name).values())


def counted(record: Inspection) -> Counts:
    """What the table of counts must hold for an inspected network."""
    return Counts(record.parameters, record.multiply_adds, record.receptive_field)


if __name__ == "__main__":
    print("# name, parameters, multiply-adds, receptive field of the last feature map. Made by `make counts`.")
    for each in names():
        print(counted(inspect(each)).line(each), flush=True)
