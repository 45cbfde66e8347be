"""Whether answers can be trusted: calibrated probabilities, conformal prediction sets, images like none trained on."""
