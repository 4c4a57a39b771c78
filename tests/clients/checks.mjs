// What all scripts here look at.
import assert from 'node:assert/strict';
import sharp from 'sharp';

/** Address of the worker under test: the first argument. */
export const worker = process.argv[2];
assert.ok(worker, 'give the address of a worker, e.g. http://127.0.0.1:7860');

/** Prompt and settings that are quick on the embedded model. */
export const quick = { prompt: 'a red apple', steps: 4, width: 64, height: 64 };

/** Decodes a picture with a reader that is not ours. */
export async function checkPicture(bytes, width, height, format = 'png') {
  const picture = sharp(Buffer.from(bytes));
  const meta = await picture.metadata();
  assert.equal(meta.format, format);
  assert.equal(meta.width, width);
  assert.equal(meta.height, height);
  const { channels } = await picture.stats();
  assert.ok(channels.some((channel) => channel.stdev > 1), 'the picture shows something');
  return meta;
}

/** Runs something that has to fail, and gives its error. */
export async function failure(action) {
  try {
    await action();
  } catch (error) {
    return error;
  }

  assert.fail('an error was expected');
}

/** A PNG of one colour; transparent in its left half where asked for. */
export async function picture(width, height, { hole = false } = {}) {
  const pixels = Buffer.alloc(width * height * 4);
  for (let i = 0; i < width * height; i++) {
    pixels.set([200, 120, 40, hole && i % width < width / 2 ? 0 : 255], 4 * i);
  }

  return sharp(pixels, { raw: { width, height, channels: 4 } }).png().toBuffer();
}

export { assert };
