// JsSIP 3: register, call, be called. It comes back by itself after a lost connection.

import JsSIP from "jssip";

const MEDIA = { mediaConstraints: { audio: true, video: false } };

// The same name for every load of this tab, so that the server sees one device. Other tabs have their own.
function instance() {
  const known = sessionStorage.getItem("instance") ?? crypto.randomUUID();
  sessionStorage.setItem("instance", known);
  return known;
}

export function connectJsSip({ server, domain, user, password }, show, play) {
  let session;

  const agent = new JsSIP.UA({
    sockets: [new JsSIP.WebSocketInterface(server)],
    uri: `sip:${user}@${domain}`,
    password,
    instance_id: instance(),
  });
  agent.on("registered", () => session || show("registered"));
  agent.on("unregistered", () => session || show("unregistered"));
  agent.on("registrationFailed", ({ cause }) => show(`not registered: ${cause}`));
  agent.on("newRTCSession", ({ originator, session: newSession }) => {
    if (session) {
      newSession.terminate({ status_code: 486 });
      return;
    }
    follow(newSession);
    show(originator === "remote" ? "ringing here" : "calling");
  });

  function follow(newSession) {
    session = newSession;
    session.on("confirmed", () => {
      show("in a call");
      play(new MediaStream(session.connection.getReceivers().map((receiver) => receiver.track)));
    });
    for (const end of ["ended", "failed"]) {
      session.on(end, () => {
        session = undefined;
        show("registered");
      });
    }
  }

  agent.start();
  return {
    call: (target) => agent.call(`sip:${target}@${domain}`, MEDIA),
    answer: () => session.answer(MEDIA),
    end: () => session.terminate(),
  };
}
