// The form to log in: posts the control token, which the server answers with a cookie that scripts cannot read.

const form = document.getElementById("form");
const token = document.getElementById("token");
const said = document.getElementById("said");

const FAULTS = {
  401: "This token is not known: expected one of [control] in the server's settings.",
  403: "The server does not know this page's address: open the page under the server's own name.",
  404: "The server has no control token, so nobody can log in.",
  429: "There were too many attempts. Wait a minute.",
};

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  said.textContent = "";
  try {
    const answer = await fetch("session", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token: token.value.trim() }),
    });
    if (answer.ok) {
      const asked = location.pathname.endsWith("/login") ? "." : location.href;
      history.replaceState(null, "", "login"); // another path: where only what is behind # differs, nothing is loaded
      location.replace(asked);
      return;
    }
    said.textContent = FAULTS[answer.status] ?? `The server answered ${answer.status}.`;
  } catch {
    said.textContent = "The server does not answer.";
  }
  token.focus();
  token.select();
});
