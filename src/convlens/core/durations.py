"""Durations as a person reads them."""


def duration(seconds: float) -> str:
    """0.042 -> '0.04 s'; 12.34 -> '12.3 s'; 185 -> '3 min 05 s'; 7380 -> '2 h 03 min'."""
    if seconds < 9.995:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min"


def pace(steps: int, seconds: float) -> str:
    """(42, 2.0) -> '21/s'; (3, 90.0) -> '30.0 s each'; '' before anything is done."""
    if not steps or seconds <= 0:
        return ""
    return f"{steps / seconds:.0f}/s" if steps >= seconds else f"{duration(seconds / steps)} each"
