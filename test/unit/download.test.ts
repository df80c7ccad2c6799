/** @file Downloads against a server on this machine: resumed, refused, redirected, through proxies, onto full disks. */

import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type DownloadOptions, download } from '../../src/catalogue/download.js';
import { proxyFor } from '../../src/catalogue/proxy.js';
import { file, proxy, serve, status } from '../support/file-server.js';

const content = randomBytes(300_000);
let folder = '';
let part = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pixelwise-download-'));
  part = join(folder, 'file');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const fetchIt = (address: string, o: DownloadOptions = {}) => download(address, part, { env: {}, wait: 1, ...o });

/** Whether the part is `expected`; compared as bytes, since a matcher looks at each one as a value. */
const holds = async (expected: Uint8Array): Promise<boolean> => (await readFile(part)).equals(expected);

describe('download', () => {
  it('brings the file, tells how far it is, and leaves nothing else', async () => {
    const { address, requests } = await serve(file(content));
    const told: [number, number | undefined][] = [];
    expect(await fetchIt(address, { onProgress: (r, t) => told.push([r, t]) })).toBe(content.length);
    expect(await holds(content)).toBe(true);
    expect(await readdir(folder)).toEqual(['file']);
    expect(told[0]).toEqual([0, content.length]);
    expect(told.at(-1)).toEqual([content.length, content.length]);
    expect(requests[0]!.headers.range).toBeUndefined();
  });

  it('takes a file whose length the server does not tell', async () => {
    const { address } = await serve(file(content, { length: false }));
    expect(await fetchIt(address)).toBe(content.length);
    expect(await holds(content)).toBe(true);
  });

  it('takes an empty file', async () => {
    const { address } = await serve(file(new Uint8Array(0)));
    expect(await fetchIt(address)).toBe(0);
  });

  it('goes on where the connection was cut', async () => {
    const etag = '"one"';
    const { address, requests } = await serve(file(content, { etag, cutAfter: 100_000 }), file(content, { etag }));
    expect(await fetchIt(address)).toBe(content.length);
    expect(await holds(content)).toBe(true);
    const { range, 'if-range': ifRange } = requests[1]!.headers;
    expect(range).toMatch(/^bytes=[1-9]\d*-$/);
    expect(ifRange).toBe(etag);
  });

  it('goes on in a later call', async () => {
    const { address, requests } = await serve(file(content, { cutAfter: 50_000 }), file(content));
    await expect(fetchIt(address, { attempts: 1 })).rejects.toThrow(/Try again: what has arrived is kept/);
    expect((await readdir(folder)).sort()).toEqual(['file', 'file.json']);
    expect(await fetchIt(address)).toBe(content.length);
    expect(await holds(content)).toBe(true);
    expect(requests[1]!.headers.range).toBeDefined();
  });

  it('begins anew where the server ignores ranges', async () => {
    const { address, requests } = await serve(file(content, { cutAfter: 70_000 }), file(content, { ranges: false }));
    expect(await fetchIt(address)).toBe(content.length);
    expect(await holds(content)).toBe(true);
    expect(requests).toHaveLength(2);
  });

  it('begins anew where the file has changed meanwhile', async () => {
    const other = randomBytes(200_000);
    const { address } = await serve(file(content, { etag: '"a"', cutAfter: 70_000 }), file(other, { etag: '"b"' }));
    expect(await fetchIt(address)).toBe(other.length);
    expect(await holds(other)).toBe(true);
  });

  it('begins anew where an unmarked file has another length now', async () => {
    const other = randomBytes(200_000);
    const { address, requests } = await serve(file(content, { cutAfter: 70_000 }), file(other));
    expect(await fetchIt(address)).toBe(other.length);
    expect(await holds(other)).toBe(true);
    expect(requests).toHaveLength(3);
  });

  it('begins anew where what is here is longer than the file', async () => {
    const short = content.subarray(0, 1000);
    const { address } = await serve(file(content, { cutAfter: 70_000 }), file(short));
    expect(await fetchIt(address)).toBe(1000);
    expect(await holds(short)).toBe(true);
  });

  it("does not take another file's part for its own", async () => {
    const { address } = await serve(file(content));
    await writeFile(part, 'something else');
    await writeFile(`${part}.json`, JSON.stringify({ address: 'http://elsewhere.example/', total: 14 }));
    expect(await fetchIt(address)).toBe(content.length);
    expect(await holds(content)).toBe(true);
  });

  it('gives up after some attempts that bring nothing', async () => {
    const { address, requests } = await serve((_, res) => res.destroy());
    await expect(fetchIt(address, { attempts: 3 })).rejects.toMatchObject({ code: 'ERR_NETWORK', subject: address });
    expect(requests).toHaveLength(3);
  });

  it('tries again when the server is busy', async () => {
    const { address, requests } = await serve(status(503), status(429), file(content));
    expect(await fetchIt(address)).toBe(content.length);
    expect(requests).toHaveLength(3);
  });

  it('does not try again when the file is not there', async () => {
    const { address, requests } = await serve(status(404));
    await expect(fetchIt(address)).rejects.toThrow(/is not there \(any more\) \(status 404\).*--from/);
    expect(requests).toHaveLength(1);
    expect(await readdir(folder)).toEqual([]);
  });

  it('follows redirects', async () => {
    const target = await serve(file(content));
    const { address } = await serve(status(302, { location: `${target.address}/b` }));
    expect(await fetchIt(`${address}/a`)).toBe(content.length);
    expect(target.requests[0]!.url).toBe('/b');
  });

  it('refuses to go in a circle', async () => {
    const { address, requests } = await serve((req, res) =>
      res.writeHead(302, { location: req.url === '/a' ? '/b' : '/a' }).end(),
    );
    await expect(fetchIt(`${address}/a`)).rejects.toThrow(/redirects in a circle/);
    expect(requests).toHaveLength(2);
  });

  it.each([
    ['an endless chain', (n: number) => `/${n}`, /more than 5 redirects/],
    ['an address of another kind', () => 'file:///etc/passwd', /no http address/],
    ['nothing', () => undefined, /no http address/],
  ])('refuses a redirect to %s', async (_, target, message) => {
    let n = 0;
    const { address } = await serve((__, res) => {
      const location = target(n++);
      res.writeHead(302, location === undefined ? {} : { location }).end();
    });
    await expect(fetchIt(address)).rejects.toThrow(message);
  });

  it('refuses a file beyond the limit, told or not', async () => {
    for (const length of [true, false]) {
      const { address } = await serve(file(content, { length }));
      await expect(fetchIt(address, { limit: 1000 })).rejects.toThrow(/1000/);
    }
  });

  it('names a host that is not known and says what to do', async () => {
    await expect(fetchIt('http://nowhere.invalid/x', { attempts: 1 })).rejects.toThrow(
      /nowhere\.invalid\/x: .*(set HTTPS_PROXY|Try again)/,
    );
  });

  it('names a host that refuses', async () => {
    await expect(fetchIt('http://127.0.0.1:1/x', { attempts: 1 })).rejects.toThrow(/refused.*HTTPS_PROXY/);
  });

  it('counts a silent connection as dead', async () => {
    const { address } = await serve((_, res) => res.writeHead(200, { 'content-length': 10 }).write('abc'));
    await expect(fetchIt(address, { attempts: 1, idle: 100 })).rejects.toThrow(/Cannot download/);
  });

  it('leaves nothing on a full disk', async () => {
    const { address } = await serve(file(content));
    let room = 100_000;
    const openSink: DownloadOptions['openSink'] = async () => ({
      write: async (chunk) => {
        room -= chunk.length;
        if (room < 0) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
      },
      sync: async () => undefined,
      close: async () => undefined,
    });
    await expect(fetchIt(address, { openSink })).rejects.toThrow(/the disk is full/);
    expect(await readdir(folder)).toEqual([]);
  });

  it('stops when told to, and keeps what has arrived', async () => {
    const { address } = await serve((_, res) => {
      res.writeHead(200, { 'content-length': content.length });
      res.write(content.subarray(0, 50_000));
    });
    const controller = new AbortController();
    const reason = new Error('enough');
    const onProgress = (received: number) => {
      if (received > 0) controller.abort(reason);
    };
    await expect(fetchIt(address, { signal: controller.signal, onProgress })).rejects.toBe(reason);
    expect((await readdir(folder)).sort()).toEqual(['file', 'file.json']);
  });
});

describe('proxies', () => {
  it('are asked for http addresses, with user and password', async () => {
    const { address } = await serve(file(content));
    const p = await proxy();
    const env = { HTTP_PROXY: p.address.replace('//', '//ann:s%40crt@') };
    expect(await fetchIt(`${address}/x`, { env })).toBe(content.length);
    expect(p.asked).toEqual([`GET ${address}/x`]);
    expect(p.authorizations).toEqual([`Basic ${Buffer.from('ann:s@crt').toString('base64')}`]);
  });

  it('are asked for a tunnel for https addresses', async () => {
    const { address } = await serve(file(content));
    const p = await proxy();
    const port = new URL(address).port;
    // The server at the end speaks no TLS, so it fails there, behind the tunnel.
    await expect(
      fetchIt(`https://127.0.0.1:${port}/x`, { env: { https_proxy: p.address }, attempts: 1 }),
    ).rejects.toThrow();
    expect(p.asked).toEqual([`CONNECT 127.0.0.1:${port}`]);
  });

  it('that refuse a tunnel are named', async () => {
    const { address } = await serve(status(200));
    await expect(fetchIt('https://example.invalid/x', { env: { https_proxy: address }, attempts: 1 })).rejects.toThrow(
      /example\.invalid/,
    );
  });

  it('are not asked for hosts that no_proxy lists', async () => {
    const { address } = await serve(file(content));
    const p = await proxy();
    expect(await fetchIt(address, { env: { http_proxy: p.address, no_proxy: 'a.example, 127.0.0.1' } })).toBe(
      content.length,
    );
    expect(p.asked).toEqual([]);
  });

  it.each([
    [{ HTTPS_PROXY: 'http://p:3128' }, 'https://a.example/', 'p:3128'],
    [{ https_proxy: 'p:3128' }, 'https://a.example/', 'p:3128'],
    [{ HTTP_PROXY: 'http://p:1' }, 'https://a.example/', undefined],
    [{ ALL_PROXY: 'http://p:1' }, 'https://a.example/', 'p:1'],
    [{ https_proxy: 'http://low:1', HTTPS_PROXY: 'http://high:1' }, 'https://a.example/', 'low:1'],
    [{ https_proxy: 'http://p:1', NO_PROXY: '*' }, 'https://a.example/', undefined],
    [{ https_proxy: 'http://p:1', NO_PROXY: '.example' }, 'https://a.example/', undefined],
    [{ https_proxy: 'http://p:1', NO_PROXY: 'example' }, 'https://a.example/', undefined],
    [{ https_proxy: 'http://p:1', NO_PROXY: 'b.example,ample' }, 'https://a.example/', 'p:1'],
    [{ https_proxy: 'http://p:1', NO_PROXY: 'a.example:8443' }, 'https://a.example/', 'p:1'],
    [{ https_proxy: 'http://p:1', NO_PROXY: 'a.example:443' }, 'https://a.example/', undefined],
    [{ https_proxy: '' }, 'https://a.example/', undefined],
  ])('%j for %s: %s', (env, address, host) => {
    expect(proxyFor(new URL(address), env)?.host).toBe(host);
  });

  it('of an unknown kind are refused', () => {
    expect(() => proxyFor(new URL('https://a.example/'), { https_proxy: 'socks5://p:1' })).toThrow(
      /socks5:\/\/p:1.*Expected http/,
    );
  });
});
