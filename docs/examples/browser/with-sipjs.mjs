// SIP.js 0.21: register, call, be called, come back after a lost connection.

import { Inviter, Registerer, SessionState, UserAgent } from "sip.js";

const MEDIA = { sessionDescriptionHandlerOptions: { constraints: { audio: true, video: false } } };

export function connectSipJs({ server, domain, user, password }, show, play) {
  let session;

  const agent = new UserAgent({
    uri: UserAgent.makeURI(`sip:${user}@${domain}`),
    authorizationUsername: user,
    authorizationPassword: password,
    transportOptions: { server },
    delegate: {
      onInvite(invitation) {
        if (session) {
          invitation.reject();
          return;
        }
        follow(invitation);
        show("ringing here");
      },
      onConnect() {
        registerer.register();
      },
      // Without an error we left ourselves. Otherwise come back: sipmend then has calls go on where they were.
      onDisconnect(error) {
        if (error) reconnect();
      },
    },
  });
  const registerer = new Registerer(agent);
  registerer.stateChange.addListener((state) => session || show(state.toLowerCase()));

  function reconnect() {
    setTimeout(() => agent.reconnect().catch(reconnect), 1000);
  }

  function follow(newSession) {
    session = newSession;
    session.stateChange.addListener((state) => {
      if (state === SessionState.Established) {
        show("in a call");
        play(session.sessionDescriptionHandler.remoteMediaStream);
      }
      if (state === SessionState.Terminated) {
        session = undefined;
        show("registered");
      }
    });
  }

  agent.start().catch(reconnect);
  return {
    call(target) {
      follow(new Inviter(agent, UserAgent.makeURI(`sip:${target}@${domain}`), MEDIA));
      show("calling");
      session.invite();
    },
    answer() {
      session.accept(MEDIA);
    },
    end() {
      if (session.state === SessionState.Established) session.bye();
      else if (session instanceof Inviter) session.cancel();
      else session.reject();
    },
  };
}
