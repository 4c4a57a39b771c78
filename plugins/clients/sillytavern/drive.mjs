// Drives a real SillyTavern server, whose page talks to it in the same way:
//   npm install sillytavern; start it; node drive.mjs http://127.0.0.1:7860 http://127.0.0.1:8000
import { assert, worker, sizeOf } from '../replay.mjs';

const tavern = (process.argv[3] ?? 'http://127.0.0.1:8000').replace(/\/$/, '');
const first = await fetch(`${tavern}/csrf-token`);
const cookie = first.headers.getSetCookie().map((value) => value.split(';')[0]).join('; ');
const { token } = await first.json();

async function ask(route, body = {}) {
  const response = await fetch(`${tavern}/api/sd/${route}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-csrf-token': token, cookie },
    body: JSON.stringify({ url: worker, auth: '', ...body }),
  });
  const text = await response.text();
  assert.equal(response.status, 200, `${route}: ${response.status} ${text.slice(0, 200)}`);
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

await ask('ping');
const lists = {};
for (const route of ['samplers', 'schedulers', 'models', 'upscalers', 'vaes']) lists[route] = (await ask(route)).length;
const model = await ask('get-model');
await ask('set-model', { model });
const made = await ask('generate', {
  prompt: 'a red apple', negative_prompt: '', sampler_name: 'DDIM', scheduler: 'normal', steps: 6, cfg_scale: 2, width: 128, height: 128,
  override_settings: { CLIP_stop_at_last_layers: 1 }, override_settings_restore_afterwards: true, clip_skip: 1, save_images: true, send_images: true,
});
assert.deepEqual(sizeOf(made.images[0]), [128, 128]);
console.log(`SillyTavern itself: ${JSON.stringify(lists)}, model ${model}, a picture of ${made.images[0].length} characters`);
