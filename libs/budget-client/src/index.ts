export * from './budget.client.js';
