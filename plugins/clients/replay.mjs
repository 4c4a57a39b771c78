// What the replays share: requests and looks at replies. Needs Node 20 and nothing else.
import assert from 'node:assert/strict';
import { deflateSync, crc32 as zlibCrc32 } from 'node:zlib';

/** Address of the worker: the first argument. */
export const worker = (process.argv[2] ?? 'http://127.0.0.1:7860').replace(/\/$/, '');

const auth = process.env.DCLIP_KEY ? { authorization: `Basic ${Buffer.from(`any:${process.env.DCLIP_KEY}`).toString('base64')}` } : {};

/** Sends a request as the tools do; gives status and JSON. */
export async function send(path, body, { method = body === undefined ? 'GET' : 'POST', headers = {}, signal } = {}) {
  const response = await fetch(worker + path, {
    method,
    headers: { ...auth, ...(body === undefined || body === null ? {} : { 'content-type': 'application/json' }), ...headers },
    body: body === undefined || body === null ? undefined : JSON.stringify(body),
    signal,
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
}

/** Sends a request that has to go well. */
export async function ok(path, body, options) {
  const reply = await send(path, body, options);
  assert.equal(reply.status, 200, `${path}: ${reply.status} ${JSON.stringify(reply.body)}`);
  return reply.body;
}

/** Size of a PNG in base64. */
export function sizeOf(base64) {
  const file = Buffer.from(base64, 'base64');
  assert.equal(file.subarray(1, 4).toString(), 'PNG');
  return [file.readUInt32BE(16), file.readUInt32BE(20)];
}

function crc32(bytes) {
  if (zlibCrc32) return zlibCrc32(bytes);
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return ~crc >>> 0;
}

function chunk(name, content) {
  const named = Buffer.concat([Buffer.from(name), content]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(content.length, 0);
  frame.writeUInt32BE(crc32(named), 4);
  return Buffer.concat([frame.subarray(0, 4), named, frame.subarray(4)]);
}

/** An RGBA PNG in base64; `pixel` gives [r, g, b, a] for x and y. */
export function png(width, height, pixel) {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 6, 0, 0, 0], 8);
  const rows = Buffer.alloc(height * (1 + 4 * width));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) rows.set(pixel(x, y), y * (1 + 4 * width) + 1 + 4 * x);
  }
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', deflateSync(rows)), chunk('IEND', Buffer.alloc(0))]).toString('base64');
}

export { assert };
