// What the Krita plugin of auto-sd-paint-ext sends.
import { assert, send, ok, sizeOf, png } from '../replay.mjs';

const config = await ok('/sdapi/interpause/config');
assert.equal(typeof config.sample_path, 'string');
for (const list of ['upscalers', 'samplers', 'samplers_img2img', 'face_restorers', 'sd_models', 'sd_vaes']) assert.ok(config[list].length > 0, list);
for (const scripts of ['scripts_txt2img', 'scripts_img2img']) assert.ok(Object.keys(config[scripts]).length > 0, scripts);

const common = {
  sd_model: config.sd_models[0], sd_vae: 'None', clip_skip: 1, disable_sddebz_highres: false, batch_count: 1, batch_size: 1, base_size: 128, max_size: 256, tiling: false, upscaler_name: 'None', restore_faces: false,
  face_restorer: 'None', codeformer_weight: 0.5, filter_nsfw: false, do_exact_steps: true, include_grid: false, save_samples: false,
  prompt: 'a red apple', negative_prompt: '', sampler_name: 'Euler a', steps: 6, cfg_scale: 2, seed: -1, script: 'None', script_args: [],
};

// The selection is 300 by 200: painted at a size of the model, given back at its own.
const painted = await ok('/sdapi/interpause/txt2img', { ...common, orig_width: 300, orig_height: 200, highres_fix: false, denoising_strength: 0.7 });
assert.deepEqual(sizeOf(painted.outputs[0]), [300, 200]);
assert.equal(typeof JSON.parse(painted.info).seed, 'number');

const canvas = png(200, 200, (x, y) => [x, y, 90, 255]);
const over = await ok('/sdapi/interpause/img2img', { ...common, is_inpaint: false, src_img: canvas, denoising_strength: 0.8, color_correct: false });
assert.deepEqual(sizeOf(over.outputs[0]), [200, 200]);

// The mask layer: painted where something is drawn on it.
const mask = png(200, 200, (x) => [255, 255, 255, x < 100 ? 255 : 0]);
const inpainted = await ok('/sdapi/interpause/img2img', {
  ...common, is_inpaint: true, src_img: canvas, mask_img: mask, sampler_name: 'LMS', denoising_strength: 0.6, color_correct: false, invert_mask: false, mask_blur: 4, inpainting_fill: 1,
  inpaint_full_res: false, inpaint_full_res_padding: 32,
});
assert.deepEqual(sizeOf(inpainted.outputs[0]), [200, 200]);

const older = await ok('/sdapi/interpause/img2img', { ...common, mode: 1, src_img: canvas, mask_img: mask, denoising_strength: 0.6, inpainting_fill: 0, invert_mask: true });
assert.deepEqual(sizeOf(older.outputs[0]), [200, 200]);

// Interrupt and time left go to the webui's own routes.
assert.deepEqual(await ok('/sdapi/v1/interrupt', {}), {});
assert.equal((await ok('/sdapi/v1/progress')).eta_relative, 0);
assert.equal((await send('/sdapi/interpause/upscale', { src_img: canvas, upscaler_name: 'None' })).status, 404);
console.log(`Krita + auto-sd-paint-ext: config (${config.samplers.length} samplers), txt2img, img2img, inpaint`);
