"""A stand-in with the few names that timm imports: torchvision itself does not import beside a CPU build of torch."""
