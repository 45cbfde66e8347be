// The service that this page came from: what it is asked, and what it answers.

const MOST_TRIES = 20;
const SHOWN_CLASSES = 50;

let token = "";

/** An answer that is none, as the service words it. */
export class Refusal extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

/** What the service answers then has this token with it. */
export function useToken(text) {
  token = text;
}

/** What the model is. */
export function model() {
  return ask("model", {});
}

/** What the model says of an image. */
export function predict(file) {
  return ask(`predict?top=${SHOWN_CLASSES}`, { method: "POST", body: file });
}

/** Where in the image the evidence is. */
export function explain(file) {
  return ask("explain", { method: "POST", body: file });
}

async function ask(path, request, tries = 1) {
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  const response = await fetch(path, { ...request, headers }).catch(() => {
    throw new Refusal(0, "The service does not answer. Is it still running?");
  });
  if (response.status === 503 && tries < MOST_TRIES) {
    await pause(Number(response.headers.get("retry-after") ?? 1));
    return ask(path, request, tries + 1);
  }
  const answer = await response.json();
  if (!response.ok) throw new Refusal(response.status, answer.error);
  return answer;
}

function pause(seconds) {
  return new Promise((resolve) => {
    setTimeout(resolve, 1000 * seconds);
  });
}
