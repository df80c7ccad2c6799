/** @file One HTTP request, through the proxy that the environment names: Node's own `fetch` does not look there. */

import { type ClientRequest, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP, type Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { PixelwiseError } from '../errors.js';

export type Environment = Readonly<Record<string, string | undefined>>;

const variable = (env: Environment, name: string): string | undefined =>
  env[name] || env[name.toUpperCase()] || undefined;

/** True where `no_proxy` lists the host: `*`, `host`, `.domain`, `domain`, each with a port or without. */
function bypassed(url: URL, env: Environment): boolean {
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  const host = url.hostname.replace(/^\[|\]$/g, '').toLowerCase();
  return (variable(env, 'no_proxy') ?? '').split(/[\s,]+/).some((entry) => {
    const [, name = '', only] = /^(.*?)(?::(\d+))?$/.exec(entry.toLowerCase()) ?? [];
    if (name === '' || (only !== undefined && only !== port)) return false;
    if (name === '*') return true;
    const domain = name.replace(/^\*?\./, '');
    return host === domain || host.endsWith(`.${domain}`);
  });
}

/**
 * The proxy for an address: `https_proxy`, `http_proxy` or `all_proxy`, in small or capital letters, unless `no_proxy` lists the
 * host.
 *
 * @throws ERR_USAGE for a proxy that is no http: or https: address
 */
export function proxyFor(url: URL, env: Environment): URL | undefined {
  const text = variable(env, url.protocol === 'https:' ? 'https_proxy' : 'http_proxy') ?? variable(env, 'all_proxy');
  if (text === undefined || bypassed(url, env)) return undefined;
  const address = /^\w+:\/\//.test(text) ? text : `http://${text}`;
  const proxy = URL.canParse(address) ? new URL(address) : undefined;
  if (!proxy || !/^https?:$/.test(proxy.protocol)) {
    throw new PixelwiseError(
      'ERR_USAGE',
      `The proxy '${text}' cannot be used. Expected http://host:port or https://host:port in HTTPS_PROXY, HTTP_PROXY or ALL_PROXY.`,
      { subject: text },
    );
  }
  return proxy;
}

/** User and password of a proxy's address, as it wants to be told. */
function authorization(proxy: URL): Record<string, string> {
  if (proxy.username === '') return {};
  const pair = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  return { 'proxy-authorization': `Basic ${Buffer.from(pair).toString('base64')}` };
}

const requester = (url: URL): typeof httpRequest => (url.protocol === 'https:' ? httpsRequest : httpRequest);
const hostOf = (url: URL): string => url.hostname.replace(/^\[|\]$/g, '');
const portOf = (url: URL): number => Number(url.port) || (url.protocol === 'https:' ? 443 : 80);

interface Call {
  readonly headers: Readonly<Record<string, string>>;
  readonly env: Environment;
  readonly signal?: AbortSignal;
  /** Silence after which the connection counts as dead, in milliseconds. */
  readonly idle: number;
}

/** Waits for the answer's head. */
function answered(request: ClientRequest, idle: number): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.setTimeout(idle, () => request.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })));
    request.once('error', reject);
    request.once('response', (response) => {
      request.off('error', reject);
      // Errors after the head reach whoever reads the body.
      request.on('error', () => undefined);
      resolve(response);
    });
    request.end();
  });
}

/** A connection through the proxy to a host that speaks TLS. */
function tunnel(url: URL, proxy: URL, { signal, idle }: Call): Promise<Socket> {
  const authority = `${url.hostname}:${portOf(url)}`;
  const request = requester(proxy)({
    host: hostOf(proxy),
    port: portOf(proxy),
    method: 'CONNECT',
    path: authority,
    headers: { host: authority, ...authorization(proxy) },
    ...(signal && { signal }),
  });
  return new Promise((resolve, reject) => {
    request.setTimeout(idle, () => request.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })));
    request.once('error', reject);
    const refuse = (status: number | undefined): void => {
      const error = new Error(`the proxy ${proxy.host} refuses to connect to ${authority} (status ${status})`);
      reject(Object.assign(error, { code: 'EPROXY' }));
    };
    request.once('connect', (response, socket) => {
      if (response.statusCode === 200) return resolve(socket);
      socket.destroy();
      refuse(response.statusCode);
    });
    request.once('response', (response) => {
      response.destroy();
      refuse(response.statusCode);
    });
    request.end();
  });
}

/** Sends a GET and returns the answer, whose body is still to be read. Redirects are the caller's. */
export async function get(url: URL, call: Call): Promise<IncomingMessage> {
  const { env, headers, signal, idle } = call;
  const proxy = proxyFor(url, env);
  const options: RequestOptions = { headers, ...(signal && { signal }) };
  if (!proxy) return answered(requester(url)(url, options), idle);
  if (url.protocol === 'http:') {
    const through = {
      ...options,
      host: hostOf(proxy),
      port: portOf(proxy),
      path: url.href,
      headers: { ...headers, host: url.host, ...authorization(proxy) },
    };
    return answered(requester(proxy)(through), idle);
  }
  const socket = await tunnel(url, proxy, call);
  const createConnection = (): Socket =>
    tlsConnect({ socket, ...(isIP(hostOf(url)) === 0 && { servername: hostOf(url) }), host: hostOf(url) });
  return answered(httpsRequest(url, { ...options, createConnection }), idle);
}
