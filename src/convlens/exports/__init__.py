"""Models that leave: from decoded pixels to answers in one file, with the proof that it answers as the run does."""
