// The clocks, the end of the session and the panel. Every page is complete
// without this script; it keeps what is shown up to date.
"use strict";

// The time left, counted down from what /session says. Asking there does not
// prolong the session, so a page that is left open still signs its user out.
(() => {
  const clocks = [...document.querySelectorAll("[data-clock]")];
  if (clocks.length === 0) return;

  const askEvery = 30_000;
  let ahead = 0; // of this computer's clock before the server's
  let asking = false;

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
  };

  const ask = async () => {
    if (asking) return;
    asking = true;
    try {
      const answer = await fetch("/session", { headers: { Accept: "application/json" } });
      if (answer.status === 401) {
        location.reload(); // to what the page shows a visitor
        return;
      }
      if (!answer.ok) return;
      const session = await answer.json();
      const date = Date.parse(answer.headers.get("Date"));
      if (!Number.isNaN(date)) ahead = Date.now() - date;
      for (const clock of clocks) {
        const until = session[clock.dataset.clock];
        if (until) clock.dateTime = until;
      }
      tick();
    } catch {
      // No connection: count on, and ask again later.
    } finally {
      asking = false;
    }
  };

  ask();
  setInterval(tick, 1000);
  setInterval(ask, askEvery);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") ask();
  });
})();

// What the server tells of by itself: a visitor without the panel has nothing to
// hear.
const signedIn = document.getElementById("account") !== null;
const panel = document.getElementById("panel");
const source = signedIn || panel ? new EventSource("/events") : null;

// The end of the session, in this tab or another.
(() => {
  if (!signedIn) return;

  source.addEventListener("session-ended", () => {
    source.close();
    location.reload(); // to what the page shows a visitor
  });
  addEventListener("submit", () => {
    // This page signs out itself: a reload would cut its own answer off.
    source.close();
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
