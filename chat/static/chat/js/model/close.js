// The codes that the server closes a socket with, as in core/daphne/close.py. PROTOCOL.md says what
// each means.

export const CLOSE = Object.freeze({
  COME_BACK: 1000,
  BAD_FRAMES: 4400,
  SIGN_IN: 4401,
  FORBIDDEN: 4403,
  NO_ROOM: 4404,
  TOO_SLOW: 4408,
  DISCONNECTED: 4409,
  LEAVING: 4410,
  TOO_MANY: 4429,
});
