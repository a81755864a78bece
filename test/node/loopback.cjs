// Preload for servers that would listen on all interfaces: node --require ./loopback.cjs SERVER.
// They listen on 127.0.0.1 instead. A host argument would make listen asynchronous, and some
// servers read their port at once, so this works one level below listen.
// With PEER_READY set, the address of the first listener is printed as "ready URL".
const net = require('node:net');

const listen = net.Server.prototype._listen2;
let announce = Boolean(process.env.PEER_READY);

net.Server.prototype._listen2 = function (address, port, addressType, ...rest) {
  const everywhere = address == null || address === '::' || address === '0.0.0.0';
  if (everywhere && typeof port === 'number' && port >= 0) {
    address = '127.0.0.1';
    addressType = 4;
  }
  if (announce) {
    announce = false;
    this.once('listening', () => console.log(`ready http://127.0.0.1:${this.address().port}`));
  }
  return listen.call(this, address, port, addressType, ...rest);
};
