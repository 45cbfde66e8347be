"""From a recipe to a fitted network: the steps that commands share."""
