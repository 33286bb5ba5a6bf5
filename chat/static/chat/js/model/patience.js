// How long anything here waits for an answer of the server.

export const ANSWER_MS = 12_000;
