/** What goes wrong, in sentences for whoever sees the page: what is wrong, and what helps. */

/** Raised with a sentence for the page. */
export class Fault extends Error {}

/** Of `getUserMedia` (W3C, "Media Capture and Streams"), by the name of its exception. */
const MICROPHONE = {
  NotAllowedError: "The microphone was refused. Allow it for this page in the browser's address bar, then call again.",
  SecurityError: "The microphone was refused. Allow it for this page in the browser's address bar, then call again.",
  NotFoundError: "There is no microphone. Plug one in, then call again.",
  NotReadableError: "The microphone is in use by another program, or does not work. Close the other program, then call again.",
  OverconstrainedError: "There is no microphone that fits. Plug another one in, then call again.",
  AbortError: "The microphone does not work. Plug it in again, then call again.",
};

export function microphoneFault(error) {
  return new Fault(MICROPHONE[error?.name] ?? `The microphone cannot be opened: ${error?.message ?? error}.`);
}

export const NOT_SECURE =
  "Browsers give the microphone only to pages on this machine or over https. Open the page as http://127.0.0.1, or over https.";
export const OLD_BROWSER = "This browser lacks what the phone needs (AudioWorklet). A newer one has it.";
export const OTHER_TAB = "The phone is in a call in another tab of this browser. Hang up there, then call again.";
export const SERVER_AWAY = "The server does not answer. Is `voicebridge serve` still running?";
export const NOT_LET_IN = "The server did not let the call in; its log says why.";
export const CUT = "The network was cut. The phone tries to come back to the call.";
export const LOST = "The network was cut for too long, and the call is over. Call again.";
export const OFFLINE = "The network is away. The call goes on when it is back.";
export const SUSPENDED = "The browser has paused the sound of this tab, so nobody hears you. Press “Go on”.";
export const ENDED_MICROPHONE = "The microphone is gone: it was unplugged or taken away. The assistant hears silence.";

/** Why a call is not taken, from the answer to the request for it. */
export async function refusalOf(answer) {
  let detail = "";
  try {
    detail = (await answer.json()).detail ?? "";
  } catch {
    // not a problem of RFC 9457
  }
  if (answer.status === 404 || answer.status === 401) return new Fault("You are not logged in any more. Open the page “Calls” and log in.");
  return new Fault(`The call was refused${detail ? `: ${detail}` : ` (${answer.status})`}.`);
}

/** Why a call ended, from the close of its socket. */
export function closeWords(code, reason) {
  if (code === 1000) return reason ? `The server ended the call: ${reason}.` : "The server ended the call.";
  return `The server ended the call${reason ? `: ${reason}` : ""} (close code ${code}).`;
}
