export * from './fake.hub.js';
export * from './fake.otlp.collector.js';
export * from './fakes.js';
export * from './free.port.js';
export * from './garbage.js';
export * from './redis.server.js';
