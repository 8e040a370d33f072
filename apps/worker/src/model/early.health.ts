import { once } from 'node:events';
import { createServer } from 'node:http';
import type { PullProgress } from '@madakv/hub';
import type { WorkerSettings } from '../worker.settings.js';

/** Answers of the health port while the model is still on its way. */
export interface EarlyHealth {
  /** What `/readyz` says. */
  pull: PullProgress;
  /** Frees the port for what comes next. */
  close(): Promise<void>;
}

/** Opens the health port before the worker itself is there: pulling a model takes longer than a process may be silent. */
export async function openEarlyHealth({
  MADAKV_WORKER_HEALTH_PORT: port,
  MADAKV_WORKER_HEALTH_HOST: host,
}: Pick<WorkerSettings, 'MADAKV_WORKER_HEALTH_PORT' | 'MADAKV_WORKER_HEALTH_HOST'>): Promise<EarlyHealth> {
  const health = {
    pull: { doneBytes: 0, totalBytes: 0 },
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  const server = createServer((request, response) => {
    const send = (status: number, body: object): void => {
      response
        .writeHead(status, { 'content-type': 'application/json', connection: 'close' })
        .end(`${JSON.stringify(body)}\n`);
    };
    const { doneBytes: done, totalBytes: total } = health.pull;
    if (request.url === '/livez') send(200, { status: 'ok' });
    else if (request.url === '/readyz')
      send(503, { status: 'unready', engine: { state: 'starting', pull: { done, total } } });
    else send(404, { status: 'not found' });
  });
  server.listen(port, host);
  await once(server, 'listening');
  return health;
}
