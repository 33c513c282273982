// The clocks, the end of the session and the panel. Every page is complete
// without this script; it keeps what is shown up to date.
"use strict";

const account = document.getElementById("account");
const signedIn = account !== null;

// A page that is on its way to another, as by signing out, must not reload: that
// would cut off the answer that it waits for, and with it the end of its cookie.
let leaving = false;
addEventListener("beforeunload", () => {
  leaving = true;
  setTimeout(() => { leaving = false; }, 10_000); // it was a download
});
const reload = () => {
  if (!leaving) location.reload();
};

// Other tabs of this site hear that the session was used, or that there is none.
// They do not take this page's word for it: they ask the server.
const otherTabs = new BroadcastChannel("session");
otherTabs.postMessage(signedIn ? "used" : "signed-out");

// The time left, counted down from what /session says. Asking there does not
// prolong the session, so a page that is left open still signs its user out. Two
// minutes before that it asks whether they are still there (WCAG 2.2, 2.2.1).
(() => {
  if (!signedIn) return;

  const askEvery = 30_000;
  const warnBefore = 120_000;
  const clocks = [...document.querySelectorAll("[data-clock]")];
  const warning = document.getElementById("still-there");
  const idleEnd = warning.querySelector("[data-clock=idleEndsAt]");
  const failed = document.getElementById("stay-failed");
  const title = document.title;
  let ahead = 0; // of this computer's clock before the server's
  let latest = 0; // request to /session
  let mayStay = false; // past the absolute end nobody may

  const words = (milliseconds) => {
    const s = Math.max(Math.floor(milliseconds / 1000), 0);
    const two = (n) => String(n).padStart(2, "0");
    if (s < 3600) return `${Math.floor(s / 60)}:${two(s % 60)}`;
    return `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
  };

  const tick = () => {
    const now = Date.now() - ahead;
    for (const clock of clocks) {
      clock.textContent = words(Date.parse(clock.dateTime) - now);
    }
    warn(mayStay && Date.parse(idleEnd.dateTime) - now < warnBefore);
  };

  const warn = (soon) => {
    document.title = soon ? `Signing out soon · ${title}` : title;
    if (soon === warning.open) return;
    failed.hidden = true;
    if (soon) warning.showModal();
    else warning.close();
  };

  // ask reports whether the server has answered.
  const ask = async (method) => {
    const mine = ++latest;
    try {
      const answer = await fetch("/session", { method, headers: { Accept: "application/json" } });
      if (answer.status === 401) {
        reload(); // to what the page shows a visitor
        return true;
      }
      if (!answer.ok) return false;
      const session = await answer.json();
      if (mine !== latest) return true; // a later answer says more
      if (session.ref !== account.dataset.session) {
        reload(); // somebody has signed in in another tab
        return true;
      }
      mayStay = session.idleEndsAt !== session.endsAt;
      const date = Date.parse(answer.headers.get("Date"));
      if (!Number.isNaN(date)) ahead = Date.now() - date;
      for (const clock of clocks) {
        const until = session[clock.dataset.clock];
        if (until) clock.dateTime = until;
      }
      tick();
      return true;
    } catch {
      return false; // no connection: count on, and ask again later
    }
  };

  const look = () => ask("GET");

  const stay = async () => {
    failed.hidden = true;
    failed.hidden = await ask("POST");
    otherTabs.postMessage("used");
  };

  document.getElementById("stay").addEventListener("click", stay);
  warning.addEventListener("cancel", (event) => {
    // Escape is a sign of life, too.
    event.preventDefault();
    stay();
  });
  otherTabs.addEventListener("message", look);

  look();
  setInterval(tick, 1000);
  setInterval(look, askEvery);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") look();
  });
})();

// What the server tells of by itself: a visitor without the panel has nothing to
// hear.
const panel = document.getElementById("panel");
const source = signedIn || panel ? new EventSource("/events") : null;

// The end of the session, in this tab or another.
(() => {
  if (!signedIn) return;

  source.addEventListener("session-ended", () => {
    source.close();
    reload(); // to what the page shows a visitor
  });
  addEventListener("pageshow", (event) => {
    // Back has brought the page as it was, and the session may have ended.
    if (event.persisted) location.reload();
  });
})();

// The panel, from the events of the fake ECGrid.
(() => {
  if (!panel) return;

  const shown = 8;
  const list = document.getElementById("calls");
  const none = document.getElementById("no-calls");
  const token = document.getElementById("token");
  const stream = document.getElementById("stream");
  const blank = document.getElementById("call").content;
  let replaying = true;

  const say = (state, text) => {
    stream.hidden = false;
    stream.dataset.state = state;
    stream.textContent = text;
  };

  const fill = (row, call) => {
    row.dataset.id = call.id;
    row.querySelector(".label").textContent = call.label;
    row.querySelector(".line").textContent = `${call.method} ${call.path}`;
    row.querySelector(".credential").textContent = call.credential;
    const code = row.querySelector(".code");
    code.textContent = call.status || "…";
    code.classList.toggle("bad", call.status >= 400);
    const time = row.querySelector("time");
    time.dateTime = call.at;
    time.textContent = new Date(call.at).toLocaleTimeString("en-GB");
  };

  source.addEventListener("open", () => {
    // What comes next begins with the latest calls.
    list.replaceChildren();
    none.hidden = false;
    replaying = true;
    say("live", "Live");
  });
  source.addEventListener("call", (event) => {
    const call = JSON.parse(event.data);
    let row = list.querySelector(`[data-id="${call.id}"]`);
    if (!row) {
      row = blank.firstElementChild.cloneNode(true);
      if (!replaying) row.classList.add("fresh");
      list.prepend(row);
      while (list.children.length > shown) list.lastElementChild.remove();
    }
    fill(row, call);
    none.hidden = true;
  });
  source.addEventListener("token", (event) => {
    const now = JSON.parse(event.data);
    replaying = false;
    token.dataset.state = now.state;
    document.getElementById("token-title").textContent = now.title;
    document.getElementById("token-text").textContent = now.text;
  });
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) say("off", "Not connected");
    else say("off", "Reconnecting…");
  });
})();
