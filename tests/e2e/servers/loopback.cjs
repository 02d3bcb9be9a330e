// Preload (`node -r`): whatever a server listens on, it listens on loopback. server-everything names no host of its own.
const { Server } = require('node:net');

const listen = Server.prototype.listen;
Server.prototype.listen = function listenOnLoopback(first, ...rest) {
  const callback = rest.find((argument) => typeof argument === 'function');
  const options = typeof first === 'object' ? first : { port: Number(first) };
  return listen.call(this, { ...options, host: '127.0.0.1' }, callback);
};
