/** @file A server on this machine that gives out one file, as well or as badly as a test asks for; and a proxy. */

import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { afterEach } from 'vitest';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

const open = new Set<Server>();
afterEach(async () => {
  for (const server of open) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
  open.clear();
});

async function listen(server: Server): Promise<string> {
  open.add(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Requests are kept in the order in which they came; `answers` are used up one by one, the last one again and again. */
export async function serve(...answers: Answer[]): Promise<{ address: string; requests: IncomingMessage[] }> {
  const requests: IncomingMessage[] = [];
  const server = createServer((req, res) => {
    requests.push(req);
    answers[Math.min(requests.length, answers.length) - 1]!(req, res);
  });
  return { address: await listen(server), requests };
}

export interface Served {
  readonly etag?: string;
  /** False: always the whole file. */
  readonly ranges?: boolean;
  /** Cuts the connection after so many bytes of the answer, when they have had time to arrive. */
  readonly cutAfter?: number;
  /** False: no Content-Length. */
  readonly length?: boolean;
}

/** Gives out `content`, in ranges if asked to. */
export function file(content: Uint8Array, o: Served = {}): Answer {
  const { etag, ranges = true, cutAfter, length = true } = o;
  return (req, res) => {
    const [, from] = /^bytes=(\d+)-$/.exec(req.headers.range ?? '') ?? [];
    const same = req.headers['if-range'] === undefined || req.headers['if-range'] === etag;
    const start = ranges && same && from !== undefined ? Number(from) : 0;
    if (start > 0 && start >= content.length) return void res.writeHead(416).end();
    const body = content.subarray(start);
    res.writeHead(start > 0 ? 206 : 200, {
      ...(etag !== undefined && { etag }),
      ...(length && { 'content-length': body.length }),
      ...(start > 0 && { 'content-range': `bytes ${start}-${content.length - 1}/${content.length}` }),
    });
    if (cutAfter === undefined) res.end(body);
    else res.write(body.subarray(0, cutAfter), () => setTimeout(() => res.destroy(), 300));
  };
}

export const status =
  (code: number, headers: Record<string, string> = {}): Answer =>
  (_, res) =>
    void res.writeHead(code, headers).end();

/** A proxy for http: and for tunnels; tells what it was asked for. */
export async function proxy(): Promise<{ address: string; asked: string[]; authorizations: (string | undefined)[] }> {
  const asked: string[] = [];
  const authorizations: (string | undefined)[] = [];
  const server = createServer((req, res) => {
    asked.push(`${req.method} ${req.url}`);
    authorizations.push(req.headers['proxy-authorization']);
    const onward = request(req.url!, { headers: req.headers }, (answer) => {
      res.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(res);
    });
    onward.on('error', () => res.destroy());
    onward.end();
  });
  server.on('connect', (req, socket) => {
    asked.push(`CONNECT ${req.url}`);
    authorizations.push(req.headers['proxy-authorization']);
    const [host, port] = req.url!.split(':');
    const onward = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      onward.pipe(socket).pipe(onward);
    });
    for (const end of [onward, socket]) {
      end.on('error', () => {
        onward.destroy();
        socket.destroy();
      });
    }
  });
  return { address: await listen(server), asked, authorizations };
}
