/** @file `pixelwise models pull` from a server on this machine: what is kept, what is refused, what is said. */

import { createHash, randomBytes } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { filesIn, jsonLines, linesOf, pixelwise, temporaryFolder } from '../support/cli.js';
import { file, proxy, serve, status } from '../support/file-server.js';

const folder = temporaryFolder();
const cache = join(folder, 'cache');
const content = randomBytes(200_000);
const sha256 = createHash('sha256').update(content).digest('hex');
const noProxy = { HTTP_PROXY: '', http_proxy: '', HTTPS_PROXY: '', https_proxy: '', ALL_PROXY: '', all_proxy: '' };
const env = { ...noProxy, PIXELWISE_CACHE: cache };
const run = (args: readonly string[], more: Record<string, string> = {}) =>
  pixelwise(['models', ...args], { cwd: folder, env: { ...env, ...more } });
const cached = () => filesIn(cache).catch(() => []);

beforeEach(() => rm(cache, { recursive: true, force: true }));

/** Its publisher gives no check sum: any content will do. */
const unchecked = 'voc-fcn32s';

describe('models pull', () => {
  it('keeps the file under its digest, says so, and does not fetch it again', async () => {
    const { address, requests } = await serve(file(content));
    const first = await run(['pull', unchecked, '--from', `${address}/a.caffemodel`]);
    expect(first.stderr).toContain('no check sum is published; its sha256 is ');
    expect(first.code).toBe(0);
    const path = join(cache, 'files', `${sha256}.caffemodel`);
    expect(linesOf(first.stdout)).toEqual([path]);
    expect((await readFile(path)).equals(content)).toBe(true);
    expect(await cached()).toEqual([`files/${sha256}.caffemodel`, `${unchecked}.json`]);

    const again = await run(['pull', unchecked, '--json']);
    expect(jsonLines(again.stdout)).toMatchObject([{ name: unchecked, state: 'cached', sha256, path, checked: null }]);
    expect(requests).toHaveLength(1);
  });

  it('by two processes at once fetches the file once', async () => {
    const { address, requests } = await serve(file(content));
    const args = ['pull', unchecked, '--from', `${address}/a.caffemodel`, '--json'];
    const both = await Promise.all([run(args), run(args)]);
    expect(both.map((r) => r.code)).toEqual([0, 0]);
    const states = both.map((r) => jsonLines<{ state: string }>(r.stdout)[0]!.state);
    expect(states.sort()).toEqual(['cached', 'new']);
    expect(requests).toHaveLength(1);
    expect(await cached()).toEqual([`files/${sha256}.caffemodel`, `${unchecked}.json`]);
  });

  it('refuses a file that is not the published one, and keeps nothing of it', async () => {
    const { address } = await serve(file(content));
    const ran = await run(['pull', 'fcn_resnet50_coco', '--from', `${address}/fcn.pth`]);
    expect(ran.code).toBe(1);
    expect(ran.stderr).toContain(`its sha256 is ${sha256}, expected 1167a1af...`);
    expect(ran.stderr).toContain('[ERR_FORMAT]');
    expect(await cached()).toEqual([]);
  });

  it('refuses a local file that is not the published one, by its whole SHA-1', async () => {
    await writeFile(join(folder, 'net.caffemodel'), content);
    const ran = await run(['pull', 'caffenet', '--from', 'net.caffemodel']);
    expect(ran.code).toBe(1);
    expect(ran.stderr).toContain('expected 4c8d77deb20ea792f84eb5e6d0a11ca0a8660a46.');
    expect(await cached()).toEqual([]);
  });

  it('takes a local file', async () => {
    await writeFile(join(folder, 'net.caffemodel'), content);
    expect((await run(['pull', unchecked, '--from', 'net.caffemodel'])).code).toBe(0);
    expect(await cached()).toEqual([`files/${sha256}.caffemodel`, `${unchecked}.json`]);
  });

  it('refuses another file than the one pulled before, where nothing else tells them apart', async () => {
    const { address } = await serve(file(content), file(randomBytes(1000)));
    await run(['pull', unchecked, '--from', address]);
    const ran = await run(['pull', unchecked, '--force', '--from', address]);
    expect(ran.code).toBe(1);
    expect(ran.stderr).toContain(`expected ${sha256}`);
    expect((await readFile(join(cache, 'files', sha256))).equals(content)).toBe(true);
  });

  it('goes on with a download that was interrupted', async () => {
    const { address, requests } = await serve(
      (_, res) => {
        res.writeHead(200, { 'content-length': content.length, etag: '"1"' });
        res.write(content.subarray(0, 150_000));
      },
      file(content, { etag: '"1"' }),
    );
    const ran = await pixelwise(['models', 'pull', unchecked, '--from', address], {
      cwd: folder,
      env,
      interruptWhen: ({ stderr }) => /\d\d %/.test(stderr),
    });
    expect(ran.stderr).toContain('goes on from there');
    expect(ran.code).toBe(130);
    expect((await cached()).filter((f) => !f.startsWith('parts/'))).toEqual([]);

    expect((await run(['pull', unchecked, '--from', address])).code).toBe(0);
    expect(requests[1]!.headers.range).toMatch(/^bytes=[1-9]/);
    expect(await cached()).toEqual([`files/${sha256}`, `${unchecked}.json`]);
  });

  it('says what to do where the file is not there', async () => {
    const { address } = await serve(status(404));
    const ran = await run(['pull', unchecked, '--from', address]);
    expect(ran.code).toBe(1);
    expect(ran.stderr).toMatch(/status 404.*--from.*\[ERR_NETWORK\]/);
  });

  it('goes through a proxy', async () => {
    const { address } = await serve(file(content));
    const p = await proxy();
    const ran = await run(['pull', unchecked, '--from', `${address}/x`], {
      HTTP_PROXY: p.address,
      NO_PROXY: '',
      no_proxy: '',
    });
    expect(ran.code).toBe(0);
    expect(p.asked).toEqual([`GET ${address}/x`]);
  });

  it('names the nearest where there is no such name', async () => {
    const ran = await run(['pull', 'voc-fcn8']);
    expect(ran.code).toBe(1);
    expect(ran.stderr).toContain("Did you mean 'voc-fcn8s'?");
  });

  it.each([[['pull']], [['convert']], [['info']], [['fetch', 'x']]])('%j is a usage error', async (args) => {
    const ran = await run(args);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain('[ERR_USAGE]');
  });
});

describe('models that are not here', () => {
  it('segment says how to pull them', async () => {
    const ran = await pixelwise(['segment', 'x.jpg', '--model', 'voc-fcn8s'], { cwd: folder, env });
    expect(ran.code).toBe(1);
    expect(ran.stderr).toContain('pixelwise models pull voc-fcn8s');
  });

  it('segment refuses a classifier', async () => {
    const ran = await pixelwise(['segment', 'x.jpg', '--model', 'vgg16-caffe'], { cwd: folder, env });
    expect(ran.code).toBe(1);
    expect(ran.stderr).toContain('--init');
  });
});
