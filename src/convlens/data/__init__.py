"""From a folder of images to decoded batches: scan, manifest, split, decode, augment."""
