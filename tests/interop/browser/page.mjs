// What runs in the page: one phone on top of SIP.js or JsSIP, which says what happens to it in the same words.
//
// Events: connected, disconnected, registered, incoming, ringing, established, ended, rejected:STATUS, held, resumed.

import JsSIP from "jssip";
import * as SIP from "sip.js";

const AUDIO = { audio: true, video: false };

class Diary {
  unread = [];
  #waiting = [];

  note(event) {
    this.unread.push(event);
    for (const waiting of this.#waiting.splice(0)) waiting();
  }

  // The first unread event of this name; others stay for later.
  async take(event, patience) {
    const end = performance.now() + patience;
    for (;;) {
      const index = this.unread.indexOf(event);
      if (index >= 0) return this.unread.splice(index, 1)[0];
      const left = end - performance.now();
      if (left <= 0) throw new Error(`no ${event} within ${patience} ms; unread: ${this.unread.join(", ") || "nothing"}`);
      await new Promise((resolve) => {
        this.#waiting.push(resolve);
        setTimeout(resolve, left);
      });
    }
  }
}

// Settings: library, user, password, server (ws: or wss:), domain, answer ("at once" or "later"), contactName, and
// for JsSIP instance (a UUID that outlives the page).
class Phone {
  constructor(settings) {
    this.settings = { answer: "at once", ...settings };
    this.diary = new Diary();
    this.session = null;
  }

  take(event, patience) {
    return this.diary.take(event, patience);
  }

  unread() {
    return this.diary.unread;
  }

  async media() {
    const connection = this.peerConnection();
    const count = { received: 0, sent: 0, state: connection.connectionState };
    for (const report of (await connection.getStats()).values()) {
      if (report.type === "inbound-rtp") count.received += report.packetsReceived;
      if (report.type === "outbound-rtp") count.sent += report.packetsSent;
    }
    return count;
  }
}

class SipJsPhone extends Phone {
  async start() {
    const { user, password, server, domain, contactName } = this.settings;
    this.agent = new SIP.UserAgent({
      uri: SIP.UserAgent.makeURI(`sip:${user}@${domain}`),
      authorizationUsername: user,
      authorizationPassword: password,
      transportOptions: { server },
      logBuiltinEnabled: false,
      sessionDescriptionHandlerFactoryOptions: { iceGatheringTimeout: 500 },
      ...(contactName ? { contactName } : {}),
      delegate: {
        onInvite: (invitation) => this.#rings(invitation),
        onConnect: () => this.#connects(),
        onDisconnect: (error) => this.#loses(error),
      },
    });
    this.registerer = new SIP.Registerer(this.agent);
    await this.agent.start();
  }

  async #connects() {
    this.diary.note("connected");
    await this.registerer.register({
      requestDelegate: {
        onAccept: () => this.diary.note("registered"),
        onReject: (response) => this.diary.note(`rejected:${response.message.statusCode}`),
      },
    });
  }

  // As the guide of SIP.js has it: without an error we left ourselves; otherwise try until it is back.
  #loses(error) {
    this.diary.note("disconnected");
    const again = () => this.agent.reconnect().catch(() => setTimeout(again, 1000));
    if (error) setTimeout(again, 200);
  }

  #follow(session) {
    this.session = session;
    session.stateChange.addListener((state) => {
      if (state === SIP.SessionState.Established) this.diary.note("established");
      if (state === SIP.SessionState.Terminated) this.diary.note("ended");
    });
  }

  async #rings(invitation) {
    this.#follow(invitation);
    this.diary.note("incoming");
    if (this.settings.answer === "at once") await this.answer();
  }

  async answer() {
    await this.session.accept({ sessionDescriptionHandlerOptions: { constraints: AUDIO } });
  }

  // `contact: false` leaves Contact out of the INVITE, as the client of SIP.js issue 1091 did.
  async call(target, { contact = true } = {}) {
    const inviter = new SIP.Inviter(this.agent, SIP.UserAgent.makeURI(target), {
      sessionDescriptionHandlerOptions: { constraints: AUDIO },
    });
    if (!contact) {
      inviter.request.extraHeaders = inviter.request.extraHeaders.filter((line) => !/^contact:/i.test(line));
    }
    this.#follow(inviter);
    await inviter.invite({
      requestDelegate: {
        onProgress: (response) => response.message.statusCode === 180 && this.diary.note("ringing"),
        onReject: (response) => this.diary.note(`rejected:${response.message.statusCode}`),
      },
    });
  }

  async hold(wanted) {
    this.session.sessionDescriptionHandlerOptionsReInvite = { hold: wanted, constraints: AUDIO };
    await this.session.invite({
      requestDelegate: {
        onAccept: () => this.diary.note(wanted ? "held" : "resumed"),
        onReject: (response) => this.diary.note(`rejected:${response.message.statusCode}`),
      },
    });
  }

  async hangUp() {
    await this.session.bye();
  }

  async unregister() {
    await new Promise((resolve, reject) => {
      this.registerer.unregister({ requestDelegate: { onAccept: resolve, onReject: reject } }).catch(reject);
    });
  }

  peerConnection() {
    return this.session.sessionDescriptionHandler.peerConnection;
  }
}

class JsSipPhone extends Phone {
  async start() {
    const { user, password, server, domain, contactName, instance } = this.settings;
    this.agent = new JsSIP.UA({
      sockets: [new JsSIP.WebSocketInterface(server)],
      uri: `sip:${user}@${domain}`,
      password,
      register: true,
      connection_recovery_min_interval: 1,
      connection_recovery_max_interval: 2,
      ...(instance ? { instance_id: instance } : {}),
      ...(contactName ? { contact_uri: `sip:${contactName}@${contactName}.invalid;transport=ws` } : {}),
    });
    this.agent.on("connected", () => this.diary.note("connected"));
    this.agent.on("disconnected", () => this.diary.note("disconnected"));
    this.agent.on("registered", () => this.diary.note("registered"));
    this.agent.on("registrationFailed", ({ response }) => this.diary.note(`rejected:${response?.status_code}`));
    this.agent.on("newRTCSession", ({ originator, session }) => {
      this.#follow(session);
      if (originator !== "remote") return;
      this.diary.note("incoming");
      if (this.settings.answer === "at once") this.answer();
    });
    this.agent.start();
  }

  #follow(session) {
    this.session = session;
    session.on("progress", ({ originator }) => originator === "remote" && this.diary.note("ringing"));
    session.on("confirmed", () => this.diary.note("established"));
    session.on("ended", () => this.diary.note("ended"));
    session.on("failed", ({ originator, message }) => {
      if (originator === "remote" && message?.status_code) this.diary.note(`rejected:${message.status_code}`);
      this.diary.note("ended");
    });
  }

  answer() {
    this.session.answer({ mediaConstraints: AUDIO });
  }

  call(target) {
    this.agent.call(target, { mediaConstraints: AUDIO });
  }

  hold(wanted) {
    const done = () => this.diary.note(wanted ? "held" : "resumed");
    const begun = wanted ? this.session.hold({}, done) : this.session.unhold({}, done);
    if (!begun) throw new Error("JsSIP is not ready for that");
  }

  hangUp() {
    this.session.terminate();
  }

  async unregister() {
    await new Promise((resolve) => {
      this.agent.once("unregistered", resolve);
      this.agent.unregister();
    });
  }

  peerConnection() {
    return this.session.connection;
  }
}

const PHONES = { "sip.js": SipJsPhone, jssip: JsSipPhone };

window.makePhone = async (settings) => {
  window.phone = new PHONES[settings.library](settings);
  await window.phone.start();
};
