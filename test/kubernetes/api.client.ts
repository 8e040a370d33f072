import { Agent, request } from 'node:https';
import { text } from 'node:stream/consumers';

/** What an API server needs to know who asks. */
export interface ApiAccess {
  readonly url: string;
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
}

export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** Objects of an API server by their paths. Kubernetes' own client needs a newer Node than this project. */
export class ApiClient {
  private readonly agent: Agent;

  constructor(private readonly access: ApiAccess) {
    const { ca, certificate: cert, key } = access;
    this.agent = new Agent({ ca, cert, key, keepAlive: true });
  }

  async get<T>(path: string): Promise<T> {
    return JSON.parse(await this.text('GET', path)) as T;
  }

  post(path: string, body: object): Promise<string> {
    return this.text('POST', path, body);
  }

  put(path: string, body: object): Promise<string> {
    return this.text('PUT', path, body);
  }

  /** A strategic merge patch: lists of named things are merged by their names. */
  patch(path: string, body: object): Promise<string> {
    return this.text('PATCH', path, body, 'application/strategic-merge-patch+json');
  }

  delete(path: string, options: object): Promise<string> {
    return this.text('DELETE', path, options);
  }

  /** @throws ApiError where the answer is no success */
  async text(method: string, path: string, body?: object, type = 'application/json'): Promise<string> {
    const content = body === undefined ? undefined : JSON.stringify(body);
    // Node frames no body of a DELETE by itself.
    const headers =
      content === undefined ? {} : { 'content-type': type, 'content-length': String(Buffer.byteLength(content)) };
    return new Promise((resolve, reject) => {
      const sent = request(new URL(path, this.access.url), { method, agent: this.agent, headers }, (response) => {
        text(response).then((answer) => {
          const { statusCode = 0 } = response;
          if (statusCode < 300) resolve(answer);
          else reject(new ApiError(statusCode, `${method} ${path}: ${statusCode} ${answer}`));
        }, reject);
      });
      sent.on('error', reject);
      sent.end(content);
    });
  }

  close(): void {
    this.agent.destroy();
  }
}

/** Says no more than that what was asked for is not there (any more). */
export async function unlessGone<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof ApiError && (error.status === 404 || error.status === 409)) return undefined;
    throw error;
  }
}
