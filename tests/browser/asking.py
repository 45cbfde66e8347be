"""Pages that take images: what both of them are given and asked in tests."""

import base64

DROP = """([name, base64]) => {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], name));
  document.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
}"""
PASTE = DROP.replace('DragEvent("drop", { dataTransfer', 'ClipboardEvent("paste", { clipboardData')


def dropped(page, name: str, content: bytes, how: str = DROP) -> None:
    """Lets a file fall on the page, once that takes any."""
    page.wait_for_selector("#drop:not([hidden])", timeout=60_000)
    page.evaluate(how, [name, base64.b64encode(content).decode()])


def shown(page) -> dict[str, float]:
    """The likeliest classes of the newest answer, in percent."""
    page.wait_for_selector(".answer .bars", timeout=60_000)
    lines = page.locator(".answer").first.locator(".bars").first.locator("li")
    return {
        lines.nth(place).locator("bdi").inner_text(): float(lines.nth(place).locator(".n").inner_text().rstrip("%"))
        for place in range(lines.count())
    }
