// What AI Render sends from Blender when "Automatic1111" is its backend.
import { assert, send, ok, sizeOf, png } from '../replay.mjs';

// A render: RGBA, with a transparent world.
const render = png(128, 128, (x, y) => [220, 40, 30, Math.hypot(x - 64, y - 64) < 40 ? 255 : 0]);
const headers = { 'user-agent': 'Blender/3.4.1', accept: '*/*', 'accept-encoding': 'gzip, deflate, br' };
const body = {
  prompt: 'a red apple', negative_prompt: 'ugly, bad art', width: 128, height: 128, image_similarity: 0.4, seed: 7, cfg_scale: 7, steps: 10, sampler: 'LMS',
  denoising_strength: 0.6, sampler_index: 'LMS', init_images: [`data:image/png;base64,${render}`],
};
const reply = await ok('/sdapi/v1/img2img', body, { headers });
assert.deepEqual(sizeOf(reply.images[0].replace('data:image/png;base64,', '')), [128, 128]);
assert.equal(JSON.parse(reply.info).sampler_name, 'LMS');
assert.equal(reply.parameters.image_similarity, undefined);

// Its other samplers: what is not here is refused in the words it looks for.
for (const sampler of ['Euler', 'Euler a', 'Heun', 'DPM2', 'DPM2 a', 'DPM++ 2M Karras', 'DPM++ 2M', 'PLMS', 'DDIM']) {
  await ok('/sdapi/v1/img2img', { ...body, steps: 4, width: 64, height: 64, sampler, sampler_index: sampler }, { headers });
}
for (const sampler of ['DPM fast', 'DPM adaptive', 'DPM++ 2S a', 'DPM++ 2S a Karras']) {
  const refused = await send('/sdapi/v1/img2img', { ...body, sampler, sampler_index: sampler }, { headers });
  assert.equal(refused.status, 404);
  assert.equal(refused.body.detail, 'Sampler not found');
}

// The menu of upscalers, and ControlNet's, which is not here.
assert.ok(Array.isArray(await ok('/sdapi/v1/upscalers', undefined, { headers: { accept: 'application/json' } })));
assert.equal((await send('/controlnet/model_list')).status, 404);
const controlled = await ok('/sdapi/v1/img2img', { ...body, steps: 4, alwayson_scripts: { controlnet: { args: [{ module: 'depth', model: 'x' }] } } }, { headers });
assert.match(JSON.parse(controlled.info).ignored.join(), /controlnet/);
console.log('Blender + AI Render: a render painted over, samplers, refusals');
