// The page itself: a form, the state, and one call at a time. What differs between the libraries is in the other files.

import { connectJsSip } from "./with-jssip.mjs";
import { connectSipJs } from "./with-sipjs.mjs";

const element = (id) => document.getElementById(id);
const values = (form) => Object.fromEntries(new FormData(form));
let phone;

function show(state) {
  element("state").value = state;
  element("answer").hidden = state !== "ringing here";
  element("end").hidden = !["calling", "ringing here", "in a call"].includes(state);
}

function play(stream) {
  element("audio").srcObject = stream;
}

element("account").addEventListener("submit", (event) => {
  event.preventDefault();
  const account = values(event.target);
  const connect = account.library === "JsSIP" ? connectJsSip : connectSipJs;
  phone = connect(account, show, play);
  element("account").hidden = true;
  element("call").hidden = false;
});

element("call").addEventListener("submit", (event) => {
  event.preventDefault();
  phone.call(values(event.target).target);
});
element("answer").addEventListener("click", () => phone.answer());
element("end").addEventListener("click", () => phone.end());
