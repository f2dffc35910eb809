// A relay on npm's ws, as signaling_servers.py has it in Python.
const { WebSocketServer } = require("ws");
const peers = new Map();
const server = new WebSocketServer({ host: "127.0.0.1", port: Number(process.argv[2]) });
server.on("connection", (socket, request) => {
  const own = new URL(request.url, "http://x").searchParams.get("id");
  peers.set(own, socket);
  socket.on("message", (text) => {
    const message = JSON.parse(text);
    message.src = own;
    peers.get(message.dst).send(JSON.stringify(message));
  });
});
