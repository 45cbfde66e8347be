// Images come in: dropped, chosen, pasted, or from the camera. Each becomes a File, and goes to whoever takes them.

/** Calls take(files) for whatever images a person brings. */
export function listenForImages(take) {
  listenToDrops(take);
  listenToChoices(take);
  listenToPastes(take);
  listenToCamera(take);
}

function listenToDrops(take) {
  const zone = document.getElementById("drop");
  let depth = 0;
  const mark = (change) => {
    depth = Math.max(0, depth + change);
    zone.classList.toggle("over", depth > 0);
  };
  document.addEventListener("dragenter", () => mark(1));
  document.addEventListener("dragleave", () => mark(-1));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    mark(-depth);
    take([...event.dataTransfer.files]);
  });
}

function listenToChoices(take) {
  const input = document.getElementById("files");
  input.addEventListener("change", () => {
    take([...input.files]);
    input.value = "";
  });
}

function listenToPastes(take) {
  document.addEventListener("paste", (event) => {
    const files = [...event.clipboardData.files];
    if (files.length > 0) event.preventDefault();
    take(files);
  });
}

function listenToCamera(take) {
  const view = document.getElementById("viewfinder");
  const video = view.querySelector("video");
  const stop = () => {
    for (const track of video.srcObject?.getTracks() ?? []) track.stop();
    video.srcObject = null;
    view.hidden = true;
  };
  document.getElementById("camera").addEventListener("click", async () => {
    const said = document.getElementById("camera-said");
    said.textContent = "";
    try {
      video.srcObject = await openedCamera();
      // Before a picture can be taken: until then there is none.
      await video.play();
      view.hidden = false;
    } catch (error) {
      stop();
      said.textContent = whyNoCamera(error);
    }
  });
  document.getElementById("shoot").addEventListener("click", async () => {
    take([await shot(video)]);
    stop();
  });
  document.getElementById("close-camera").addEventListener("click", stop);
}

function openedCamera() {
  if (!navigator.mediaDevices) throw new DOMException("", "SecurityError");
  return navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
}

function whyNoCamera(error) {
  const reasons = {
    NotAllowedError: "The browser was not allowed to use the camera.",
    NotFoundError: "There is no camera on this device.",
    SecurityError:
      "Browsers let pages use the camera only over https, or from localhost. Choose or paste an image instead.",
  };
  return reasons[error.name] ?? `The camera cannot be used: ${error.message}`;
}

/** What the camera sees, as a PNG file, which loses nothing. */
async function shot(video) {
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d").drawImage(video, 0, 0);
  const blob = await new Promise((resolve) => {
    canvas.toBlob(resolve, "image/png");
  });
  return new File([blob], "camera.png", { type: "image/png" });
}
