"""What a network does with one input, as a record: values, gradients, receptive fields, images. Takes objects."""
