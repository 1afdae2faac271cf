// Replaces the time of rendering with the server's time as it comes in; the page is whole without it.
const time = document.getElementById("clock");
const dot = document.getElementById("dot");
const note = document.getElementById("clock-note");
const events = new EventSource("/clock");
events.onmessage = (e) => {
  time.textContent = e.data;
  dot.className = "dot live";
  note.textContent = "live, through the gateway";
};
events.onerror = () => {
  dot.className = "dot";
  note.textContent = "connection lost, trying again";
};
