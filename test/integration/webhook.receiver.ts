import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export interface ReceivedCall {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** A server that is called, on an address that only a policy of the test's lets be reached. */
export class WebhookReceiver {
  static readonly ADDRESS = '127.0.0.5';
  readonly calls: ReceivedCall[] = [];
  /** What it answers next. */
  status = 200;

  private constructor(
    private readonly server: Server,
    readonly port: number,
  ) {}

  static async start(): Promise<WebhookReceiver> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, WebhookReceiver.ADDRESS, resolve));
    const receiver = new WebhookReceiver(server, (server.address() as AddressInfo).port);
    server.on('request', (request, response) => {
      void text(request).then((body) => {
        receiver.calls.push({ headers: request.headers, body });
        response.writeHead(receiver.status, { location: 'http://127.0.0.1/elsewhere' }).end('thanks');
      });
    });
    return receiver;
  }

  get url(): string {
    return `http://${WebhookReceiver.ADDRESS}:${this.port}/hook?of=acme`;
  }

  stop(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}
