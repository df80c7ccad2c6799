// A service that segments photographs: POST a picture, get JSON; or a PNG with Accept: image/png.
//   node examples/service.mjs 8080
//   curl --data-binary @examples/chelsea.jpg http://localhost:8080
import { createServer } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { PixelwiseError, Segmenter } from 'pixelwise';

const largestUpload = 32e6;
const segmenter = await Segmenter.load();

async function answer(request, response) {
  // A client that leaves calls its picture off.
  const left = new AbortController();
  response.on('close', () => left.abort());
  try {
    if (request.method !== 'POST') return response.writeHead(405, { allow: 'POST' }).end();
    if (!(Number(request.headers['content-length']) <= largestUpload)) return response.writeHead(413).end();
    const picture = await buffer(request);
    const result = await segmenter.segment(picture, { maxPixels: 50e6, signal: left.signal });
    const asPng = request.headers.accept === 'image/png';
    response.writeHead(200, { 'content-type': asPng ? 'image/png' : 'application/json' });
    response.end(asPng ? result.toPNG() : JSON.stringify({ shares: result.shares, masks: result.toRLE() }));
  } catch (error) {
    if (left.signal.aborted) return;
    const isTheirs = error instanceof PixelwiseError && error.code === 'ERR_IMAGE';
    response.writeHead(isTheirs ? 422 : 500, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ error: isTheirs ? error.message : 'The picture could not be segmented.' }));
    if (!isTheirs) console.error(error);
  }
}

const server = createServer(answer).listen(Number(process.argv[2] ?? 8080), () => {
  console.log(`Listening on port ${server.address().port}`);
});
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => server.close(() => segmenter.close()));
}
