// A telephone in a web page: registers, answers, and tells the test what it hears.
import JsSIP from "jssip";

const settings = new URLSearchParams(location.search);
const extension = settings.get("extension");
const tell = (what) => fetch(`/told?${new URLSearchParams(what)}`, { method: "POST" });

// A pure tone is what echo cancellers and the like take away.
const microphone = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };

/** Tells the strongest frequency of what comes, twice a second. */
function listen(stream) {
  const player = new Audio();
  player.srcObject = stream;
  player.play();
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  analyser.fftSize = 4096;
  context.createMediaStreamSource(stream).connect(analyser);
  const bins = new Float32Array(analyser.frequencyBinCount);
  setInterval(() => {
    analyser.getFloatFrequencyData(bins);
    const peak = bins.indexOf(Math.max(...bins));
    tell({ hears: Math.round((peak * context.sampleRate) / analyser.fftSize), level: bins[peak] });
  }, 500);
}

const phone = new JsSIP.UA({
  sockets: [new JsSIP.WebSocketInterface(settings.get("server"))],
  uri: `sip:${extension}@${settings.get("domain")}`,
  password: settings.get("password"),
});
phone.on("registered", () => tell({ registered: extension }));
phone.on("registrationFailed", (event) => tell({ failed: event.cause }));
phone.on("newRTCSession", ({ session }) => {
  const attach = (connection) => {
    connection.addEventListener("track", (event) => listen(event.streams[0]));
    connection.addEventListener("connectionstatechange", () => {
      const answer = session.direction === "incoming" ? connection.localDescription : connection.remoteDescription;
      tell({ connection: connection.connectionState });
      tell({ speaks: answer?.sdp.match(/a=rtpmap:\d+ (\w+)/)?.[1] });
    });
  };
  // Of a call of our own it is there already.
  session.connection ? attach(session.connection) : session.on("peerconnection", (event) => attach(event.peerconnection));
  session.on("failed", (event) => tell({ failed: event.cause }));
  session.on("ended", (event) => tell({ ended: event.cause }));
  if (session.direction === "incoming") {
    session.answer({ mediaConstraints: { audio: microphone, video: false } });
  }
});
phone.start();

const dial = settings.get("dial");
if (dial) {
  phone.once("registered", () => phone.call(dial, { mediaConstraints: { audio: microphone, video: false } }));
}
