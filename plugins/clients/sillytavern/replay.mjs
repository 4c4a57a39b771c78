// What SillyTavern's server sends when "Stable Diffusion Web UI (AUTOMATIC1111)" is its source of pictures.
import { assert, worker, send, ok, sizeOf } from '../replay.mjs';

// Connect: settings, then the menus.
assert.match((await ok('/sdapi/v1/options')).sd_model_checkpoint, /\S/);
const samplers = (await ok('/sdapi/v1/samplers')).map((sampler) => sampler.name);
assert.ok(samplers.includes('Euler a'));
assert.ok((await ok('/sdapi/v1/schedulers')).map((scheduler) => scheduler.name).includes('karras'));
const models = (await ok('/sdapi/v1/sd-models')).map((model) => model.title);
assert.ok(models.length > 0);
assert.ok(Array.isArray(await ok('/sdapi/v1/upscalers')));
assert.ok(Array.isArray(await ok('/sdapi/v1/latent-upscale-modes')));
assert.ok(Array.isArray(await ok('/sdapi/v1/sd-vae')));
assert.equal((await send('/sdapi/v1/sd-modules')).status, 404); // Forge's

// Choose a model, then wait until nothing runs.
await ok('/sdapi/v1/options', { sd_model_checkpoint: models[0] });
const idle = await ok('/sdapi/v1/progress');
assert.ok(idle.progress === 0.0 && idle.state.job_count === 0);

// Paint. Its own address and password stand in the body and must not come back.
const body = {
  url: worker, auth: 'user:secret-word', prompt: 'a red apple', negative_prompt: 'blurry', sampler_name: 'DDIM', scheduler: 'normal', steps: 6, cfg_scale: 2,
  width: 128, height: 128, restore_faces: false, enable_hr: false, hr_upscaler: 'Latent', hr_scale: 2, hr_additional_modules: [], denoising_strength: 0.7,
  hr_second_pass_steps: 0, override_settings: { CLIP_stop_at_last_layers: 1 }, override_settings_restore_afterwards: true, clip_skip: 1, save_images: true,
  send_images: true, do_not_save_grid: false, do_not_save_samples: false,
};
const reply = await ok('/sdapi/v1/txt2img', body);
assert.deepEqual(sizeOf(reply.images[0]), [128, 128]);
assert.ok(!JSON.stringify(reply).includes('secret-word'));
assert.equal(typeof reply.info, 'string');

// Close the tab: the request is given up and an interrupt is sent.
const gone = new AbortController();
const given = send('/sdapi/v1/txt2img', { ...body, steps: 500 }, { signal: gone.signal }).catch((error) => error.name);
while ((await ok('/sdapi/v1/progress')).state.job_count === 0) await new Promise((resolve) => setTimeout(resolve, 20));
const interrupted = ok('/sdapi/v1/interrupt', null, { method: 'POST' });
gone.abort();
assert.deepEqual(await interrupted, {});
assert.equal(await given, 'AbortError');
for (let tries = 0; (await ok('/sdapi/v1/progress')).state.job_count > 0; tries++) {
  assert.ok(tries < 200, 'the worker is free again');
  await new Promise((resolve) => setTimeout(resolve, 50));
}

console.log(`SillyTavern: menus (${samplers.length} samplers, ${models.length} models), picture, giving up`);
