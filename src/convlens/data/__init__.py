"""From a folder of pictures to decoded batches: scan, manifest, split, decode, augment."""
