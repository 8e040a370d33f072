// Succeeds when the service of this container is ready. One service runs in a container, so the port that answers is its.
import { get } from 'node:http';
import { env, exit } from 'node:process';

const ports = [
  env.MADAKV_GATEWAY_HEALTH_PORT || '8081',
  env.MADAKV_WORKER_HEALTH_PORT || '8082',
  env.MADAKV_BUDGET_HTTP_PORT || '50052',
];

function isReady(port) {
  return new Promise((resolve) => {
    const request = get(`http://127.0.0.1:${port}/readyz`, { timeout: 4_000 }, (response) => {
      resolve(response.statusCode === 200);
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(false));
  });
}

const answers = await Promise.all(ports.map(isReady));
exit(answers.includes(true) ? 0 : 1);
