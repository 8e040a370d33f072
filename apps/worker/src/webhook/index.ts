export * from './webhook.announcer.js';
export * from './webhook.deliverer.js';
export * from './webhook.settings.js';
