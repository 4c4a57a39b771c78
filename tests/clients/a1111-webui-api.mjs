// a1111-webui-api: lists, options, pictures, progress, png-info, interrogation, errors.
import api from 'a1111-webui-api';
import sharp from 'sharp';
import { assert, worker, checkPicture, failure, quick, picture } from './checks.mjs';

const client = new api.StableDiffusionApi({ baseUrl: worker });
if (process.env.DCLIP_KEY) client.setAuth('any', process.env.DCLIP_KEY);
assert.ok((await client.getSamplers()).some((sampler) => sampler.name === 'Euler a'));
assert.ok((await client.getSdModels()).some((model) => model.model_name === 'emoji-sd' && model.hash === model.sha256.slice(0, 10)));
for (const list of [client.getUpscalers(), client.getHypernetworks(), client.getFaceRestorers(), client.getRealesrganModels(), client.getPromptStyles()]) assert.ok(Array.isArray(await list));
await client.refreshCheckpoints();
assert.equal(typeof (await client.getCmdFlags()), 'object');

const options = await client.getOptions();
await client.setOptions(options);
assert.deepEqual(await client.getOptions(), options);
await client.setModel('emoji-sd');
assert.match(await client.getCurrentModel(), /^emoji-sd/);

const made = await client.txt2img({ ...quick, seed: 4, cfg_scale: 2, batch_size: 2, alwayson_scripts: { diffusionclip: { args: [{ candidates: 4 }] } } });
assert.equal(made.images.length, 2);
const png = await made.image.png().toBuffer();
await checkPicture(png, 64, 64);
const info = JSON.parse(made.info);
assert.equal(info.diffusionclip.candidates, 4);
assert.ok(info.diffusionclip.scores[0] >= info.diffusionclip.scores[1]);

let highest = 0;
let preview = null;
const long = client.txt2img({ prompt: 'a green tree', steps: 40, width: 128, height: 128, cfg_scale: 2, seed: 9 });
let over = false;
long.finally(() => (over = true));
while (!over) {
  const progress = await client.getProgress();
  preview ??= progress.current_image;
  if (progress.state.job_count > 0) highest = Math.max(highest, progress.progress);
  await new Promise((resolve) => setTimeout(resolve, 30));
}
await checkPicture(await (await long).image.png().toBuffer(), 128, 128);
assert.ok(highest > 0, 'progress is seen on the way');
await checkPicture(Buffer.from(preview, 'base64'), 128, 128);
const idle = await client.getProgress();
assert.deepEqual([idle.progress, idle.state.job_count, idle.current_image], [0, 0, null]);

const over2 = await client.img2img({ init_images: [sharp(await picture(64, 64))], ...quick, steps: 8, denoising_strength: 0.6 });
await checkPicture(await over2.image.png().toBuffer(), 64, 64);
const caption = await client.interrogate(sharp(await (await long).image.png().toBuffer()), 'clip');
assert.ok(caption.response.data.caption.length > 3);

const size = await failure(() => client.txt2img({ ...quick, width: 65 }));
assert.equal(size.response.status, 422);
assert.deepEqual(size.response.data.detail[0].loc, ['body', 'width']);
const sampler = await failure(() => client.txt2img({ ...quick, sampler_name: 'No Such Sampler' }));
assert.equal(sampler.response.status, 404);
assert.equal(sampler.response.data.detail, 'Sampler not found');
console.log(`a1111-webui-api: progress up to ${highest.toFixed(2)}, caption '${caption.response.data.caption}'; errors: ${size.response.data.detail[0].msg}`);
