/**
 * @file A page in headless Chromium that runs the CRF: the same scripts and kernels, served from the build. It asks for one
 * job after the other, and answers with labels and times.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { PixelwiseError } from 'pixelwise';

/** One CRF: arrays are files of the folder that is served as /files. */
export interface BrowserJob {
  readonly width: number;
  readonly height: number;
  readonly classes: number;
  readonly settings: string;
  readonly unary: string;
  readonly image: string;
  /** Runs; the last one's time counts. */
  readonly runs: number;
}

export interface BrowserAnswer {
  readonly milliseconds: number;
  readonly labels: Uint8Array;
}

const binary = process.env.CHROMIUM ?? '/usr/bin/chromium';

/** Whether there is a browser: named by CHROMIUM, or where Debian has it. */
export const chromiumPresent = existsSync(binary);

const flags = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-dev-shm-usage'],
];

const page = `<!doctype html><script type="module">
import { DenseCrf, kernelsOf, parseCrfSettings } from '/dist/crf/web.js';
const bytes = async (name) => new Uint8Array(await (await fetch('/files/' + name)).arrayBuffer());
const crf = await DenseCrf.open();
for (;;) {
  const job = await (await fetch('/job', { method: 'POST' })).json();
  let answer, ended = 0;
  try {
    const { width, height, classes } = job;
    const [unary, data, settings] = [await bytes(job.unary), await bytes(job.image), parseCrfSettings(job.settings)];
    const problem = { width, height, classes, image: { width, height, data }, kernels: kernelsOf(settings),
      normalization: settings.normalization, unary: { kind: 'energies', data: new Float32Array(unary.buffer) } };
    for (let run = 0; run < job.runs; run++) {
      const began = performance.now();
      answer = (await crf.run(problem, { iterations: settings.iterations })).labels;
      ended = performance.now() - began;
    }
  } catch (error) {
    answer = String(error);
  }
  await fetch('/answer?' + (typeof answer === 'string' ? 'error' : ended), { method: 'POST', body: answer });
}
</script>`;

const types: Readonly<Record<string, string>> = { '.js': 'text/javascript', '.wasm': 'application/wasm' };

/** Memory can be shared only on pages that share nothing else. */
const isolated = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };

/** How long a page may take for its first request, or for one job. */
const patience = 120_000;

async function bodyOf(request: IncomingMessage): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Uint8Array.from(Buffer.concat(chunks));
}

export class Chromium {
  readonly #server: Server;
  readonly #profile = mkdtempSync(join(tmpdir(), 'pixelwise-chromium-'));
  #process: ChildProcess | undefined;
  /** The page's open question for a job, or the job that waits for the question. */
  #asking: ((job: BrowserJob) => void) | undefined;
  #job: BrowserJob | undefined;
  #waiting: { resolve(answer: BrowserAnswer): void; reject(error: Error): void } | undefined;

  /** @param dist the build; @param files what jobs name their arrays in */
  static async open(dist: string, files: string): Promise<Chromium> {
    const browser = new Chromium(dist, files);
    await new Promise<void>((resolve) => browser.#server.listen(0, '127.0.0.1', resolve));
    const { port } = browser.#server.address() as AddressInfo;
    const profile = `--user-data-dir=${browser.#profile}`;
    browser.#process = spawn(binary, [...flags, profile, `http://127.0.0.1:${port}/`], { stdio: 'ignore' });
    browser.#process.on('error', () => undefined);
    return browser;
  }

  private constructor(dist: string, files: string) {
    this.#server = createServer((request, response) => {
      void this.#answer({ '/dist/': dist, '/files/': files }, request, response);
    });
  }

  async #answer(folders: Record<string, string>, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const say = (type: string, body: string | Uint8Array) =>
      response.writeHead(200, { 'Content-Type': type, ...isolated }).end(body);
    if (url.pathname === '/') {
      say('text/html', page);
    } else if (url.pathname === '/job') {
      this.#asking = (job) => say('application/json', JSON.stringify(job));
      this.#hand();
    } else if (url.pathname === '/answer') {
      this.#settle(url.search.slice(1), await bodyOf(request));
      say('text/plain', '');
    } else {
      const [prefix, folder] = Object.entries(folders).find(([p]) => url.pathname.startsWith(p)) ?? ['', ''];
      const file = join(folder, url.pathname.slice(prefix.length));
      if (prefix && existsSync(file)) say(types[extname(file)] ?? 'application/octet-stream', readFileSync(file));
      else response.writeHead(404).end();
    }
  }

  #hand(): void {
    if (!this.#asking || !this.#job) return;
    this.#asking(this.#job);
    this.#asking = undefined;
    this.#job = undefined;
  }

  #settle(result: string, body: Uint8Array): void {
    if (result !== 'error') this.#waiting?.resolve({ milliseconds: Number(result), labels: body });
    else
      this.#waiting?.reject(
        new PixelwiseError('ERR_ENGINE', `In the browser: ${new TextDecoder().decode(body)}. See its console.`),
      );
  }

  /** Runs a job; one at a time. @throws ERR_ENGINE for what fails in the page, and where no answer comes */
  async ask(job: BrowserJob): Promise<BrowserAnswer> {
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<BrowserAnswer>((resolve, reject) => {
        this.#waiting = { resolve, reject };
        timer = setTimeout(
          () =>
            reject(
              new PixelwiseError(
                'ERR_ENGINE',
                `'${binary}' gave no answer for ${patience / 1000} s. Start it by hand.`,
              ),
            ),
          patience,
        );
        this.#job = job;
        this.#hand();
      });
    } finally {
      clearTimeout(timer);
    }
  }

  async close(): Promise<void> {
    const browser = this.#process;
    if (browser && browser.exitCode === null && browser.pid !== undefined) {
      const ended = new Promise((resolve) => browser.once('exit', resolve));
      browser.kill();
      await ended;
    }
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    // Its other processes end, and write their last files, a little later.
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  }
}
