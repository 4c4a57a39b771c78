// openai (npm): pictures, formats, streams with previews, edits, models, errors.
import OpenAI, { toFile } from 'openai';
import { assert, worker, checkPicture, failure, picture } from './checks.mjs';

const client = new OpenAI({ baseURL: `${worker}/v1`, apiKey: process.env.DCLIP_KEY ?? 'none' });
const own = { steps: 4, seed: 3 };
const bytes = (image) => Buffer.from(image.b64_json, 'base64');

const models = [];
for await (const model of client.models.list()) models.push(model.id);
assert.ok(models.includes('emoji-sd'));
assert.equal((await client.models.retrieve('emoji-sd')).owned_by, 'diffusionclip');

const made = await client.images.generate({ prompt: 'a red apple', size: '64x64', n: 2, candidates: 3, ...own });
assert.equal(made.data.length, 2);
for (const image of made.data) await checkPicture(bytes(image), 64, 64);
assert.ok(made.data[0].score >= made.data[1].score, 'the best comes first');
assert.ok(made.usage.input_tokens > 0);
console.log(`generate: 2 of 3 kept, scores ${made.data.map((image) => image.score.toFixed(3))}`);

for (const output_format of ['jpeg', 'webp']) {
  const other = await client.images.generate({ model: 'gpt-image-1', prompt: 'two cats', size: '64x64', output_format, output_compression: 80, ...own });
  await checkPicture(bytes(other.data[0]), 64, 64, output_format);
}

const linked = await client.images.generate({ prompt: 'two cats', size: '64x64', response_format: 'url', ...own });
const headers = process.env.DCLIP_KEY ? { authorization: `Bearer ${process.env.DCLIP_KEY}` } : {};
await checkPicture(await (await fetch(linked.data[0].url, { headers })).arrayBuffer(), 64, 64);

let previews = 0;
let completed = 0;
const stream = await client.images.generate({ prompt: 'three stars', size: '128x128', stream: true, partial_images: 2, steps: 40, seed: 5 });
for await (const event of stream) {
  if (event.type === 'image_generation.partial_image') {
    assert.equal(event.partial_image_index, previews++);
    await checkPicture(bytes(event), 128, 128);
  } else {
    assert.equal(event.type, 'image_generation.completed');
    assert.ok(event.usage.total_tokens > 0);
    await checkPicture(bytes(event), 128, 128);
    completed++;
  }
}
assert.equal(completed, 1);
assert.ok(previews >= 1, 'progress is seen as previews');
console.log(`stream: ${previews} previews, then the picture`);

const image = await toFile(await picture(64, 64), 'image.png', { type: 'image/png' });
const mask = await toFile(await picture(64, 64, { hole: true }), 'mask.png', { type: 'image/png' });
const edited = await client.images.edit({ image, mask, prompt: 'a blue star', ...own });
await checkPicture(bytes(edited.data[0]), 64, 64);
const varied = await client.images.edit({ image: [await toFile(await picture(64, 64), 'a.png', { type: 'image/png' })], prompt: 'a blue star', strength: 0.6, ...own, steps: 8 });
await checkPicture(bytes(varied.data[0]), 64, 64);

const size = await failure(() => client.images.generate({ prompt: 'x', size: '65x64' }));
assert.equal(size.status, 400);
assert.equal(size.param, 'size');
assert.match(size.message, /multiples/);
const unknown = await failure(() => client.images.generate({ prompt: 'x', model: 'no-such-model' }));
assert.equal(unknown.status, 404);
assert.equal(unknown.code, 'model_not_found');
assert.match(unknown.message, /emoji-sd/);
const opaque = await failure(async () => client.images.edit({ image: await toFile(await picture(64, 64), 'i.png', { type: 'image/png' }), mask: await toFile(await picture(64, 64), 'm.png', { type: 'image/png' }), prompt: 'x' }));
assert.equal(opaque.param, 'mask');
console.log(`errors: ${size.message}`);
